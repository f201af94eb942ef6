import { existsSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { AuditEntry } from "@chatelaine/server";
import {
  createVolume,
  type Ledger,
  recover,
  rekeyVolume,
  type Volume,
  type VolumeContext,
  verifyVolume,
  withVolumeData,
} from "@chatelaine/volumes";
import { record, table, time, wrapped } from "../terminal/output.ts";
import { showSize } from "../terminal/sizes.ts";
import { styled } from "../terminal/styled.ts";
import type { Terminal } from "../terminal/terminal.ts";
import type { EmbeddedServer } from "./embedded-server.ts";

const sizeBytes = 64 * 1024 * 1024;

export interface DemonstrationOptions {
  readonly terminal: Terminal;
  readonly server: EmbeddedServer;
  readonly ledger: Ledger;
  /** Where the disk is, and is found again. */
  readonly directory: string;
  /** Between two steps; each step is finished first. */
  readonly signal: AbortSignal;
}

/**
 * Shows a disk's life on a key server of its own: made, or found again; a text
 * written into it and read back; verified; given another key; and what the server
 * knows of all that.
 */
export async function demonstrate(options: DemonstrationOptions): Promise<void> {
  const { terminal, server, ledger, signal } = options;
  const { keyManager, caller } = server;
  const context: VolumeContext = { keyManager, caller, ledger };
  const path = join(options.directory, "disk.img");
  const say = (text: string) =>
    terminal.out(styled(terminal, "dim", wrapped(terminal, "  ", text)));
  const show: Show = (attributes) =>
    terminal.out(indented(record(attributes, (terminal.columns ?? 80) - 2)));
  const steps = new Steps(terminal, signal);
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  await recover(context);

  const volume = existsSync(path)
    ? await steps.take("A disk, found again", () => verifyVolume(context, path))
    : await steps.take("A disk with a key of its own", () =>
        createVolume(context, { path, sizeBytes, label: "chatelaine" }),
      );
  show({
    disk: path,
    format: `${showSize(sizeBytes)}, LUKS2, ${volume.cipher}`,
    key: volume.keyId,
  });
  say("The server generated the key, for this disk alone. The disk says which key it needs.");

  await showText(steps, show, context, volume);

  const { openedSlot } = await steps.take("Verified", () => verifyVolume(context, path));
  say(`The key that the disk names opens its slot ${openedSlot}.`);

  const rekeyed = await steps.take("Another key", () => rekeyVolume(context, path));
  show({ "new key": rekeyed.keyId, "old key": volume.keyId });
  say("The old key opens nothing any more, and is deleted.");

  const key = await steps.take("The key's record", () =>
    keyManager.describe(caller, rekeyed.keyId),
  );
  const { id, type, algorithm, bitLength, created, consumers } = key;
  const needed = consumers.map((consumer) => `${consumer.resourceType} ${consumer.resourceId}`);
  show({
    id,
    type: `${type}, ${algorithm} of ${bitLength} bits`,
    created: time(created),
    "needed by": needed.join(", "),
  });
  say("A key that somebody needs is not deleted.");

  const entries = await steps.take("The audit record", () =>
    server.command("audit list", isNarrow(terminal) ? "4" : "8"),
  );
  terminal.out(indented(trail(terminal, entries as readonly AuditEntry[])));
  say("Who read, made or deleted which key, in a chain of digests that shows a missing entry.");
}

function isNarrow({ columns }: Terminal): boolean {
  return columns !== undefined && columns < 80;
}

/** The audit record of one user on one day. */
function trail(terminal: Terminal, entries: readonly AuditEntry[]): string {
  const { columns } = terminal;
  return table(
    { ...terminal, columns: columns === undefined ? undefined : columns - 2 },
    [
      { heading: "at", cell: ({ at }) => at.slice(11, 19) },
      { heading: "action", cell: ({ action }) => action },
      { heading: "key", cell: ({ objectId }) => objectId },
      { heading: "done", cell: ({ outcome }) => outcome },
    ],
    entries,
  );
}

/** Writes a text into the disk, or finds that of an earlier start, and shows what of it is on the disk. */
async function showText(
  steps: Steps,
  show: Show,
  context: VolumeContext,
  { path, dataOffset }: Volume,
): Promise<void> {
  const sector = new Uint8Array(512);
  const textOf = () => new TextDecoder().decode(sector).replace(/\0+$/, "");
  const read = () => withVolumeData(context, path, (disk) => disk.read(0, sector));
  await read();
  if (sector.some((byte) => byte !== 0) && textOf().startsWith("A text that ")) {
    await steps.take("Its text, as it was written", read);
  } else {
    const text = `A text that was written at ${time(new Date())}.`;
    sector.fill(0);
    new TextEncoder().encodeInto(text, sector);
    await steps.take("A text written, and read back", async () => {
      await withVolumeData(context, path, (disk) => disk.write(0, sector), "write");
      await read();
    });
  }
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(8), 0, 8, dataOffset);
    const bytes = buffer.toString("hex").replace(/(..)/g, "$1 ");
    show({ "with the key": textOf(), without: `${bytes}…` });
  } finally {
    await file.close();
  }
}

type Show = (attributes: Readonly<Record<string, string | undefined>>) => void;

/** Numbered steps with the time that each took. */
class Steps {
  readonly #terminal: Terminal;
  readonly #signal: AbortSignal;
  #number = 0;

  constructor(terminal: Terminal, signal: AbortSignal) {
    this.#terminal = terminal;
    this.#signal = signal;
  }

  /** @throws the signal's reason, before the step, if it was aborted */
  async take<T>(title: string, step: () => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const began = performance.now();
    const result = await step();
    const took = Math.round(performance.now() - began);
    this.#number += 1;
    const [heading, duration] = [`${this.#number}. ${title}`, `(${took} ms)`];
    const room = this.#terminal.columns ?? 80;
    const gap = heading.length + 1 + duration.length <= room ? " " : "\n   ";
    this.#terminal.out(`\n${styled(this.#terminal, "bold", heading)}${gap}${duration}\n`);
    return result;
  }
}

function indented(lines: string): string {
  return lines.replace(/^(?=.)/gm, "  ");
}
