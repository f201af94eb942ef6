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
import { auditTable } from "./audit-table.ts";
import type { EmbeddedServer } from "./embedded-server.ts";
import { record, time } from "./output.ts";
import { showSize } from "./sizes.ts";
import type { Terminal } from "./terminal.ts";

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
  const say = (line: string) => terminal.out(`  ${line}\n`);
  const steps = new Steps(terminal, signal);
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  await recover(context);

  const volume = existsSync(path)
    ? await steps.take("A disk, found again", () => verifyVolume(context, path))
    : await steps.take("A disk with a key of its own", () =>
        createVolume(context, { path, sizeBytes, label: "chatelaine" }),
      );
  say(path);
  say(`${showSize(sizeBytes)}, LUKS2, ${volume.cipher}; volume ${volume.id}`);
  say(`key ${volume.keyId}, which the server generated for it alone`);

  await showText(steps, say, context, volume);

  const { openedSlot } = await steps.take("Verified", () => verifyVolume(context, path));
  say(`the key that the disk names opens its slot ${openedSlot}`);

  const rekeyed = await steps.take("Another key", () => rekeyVolume(context, path));
  say(`key ${rekeyed.keyId} from now on; ${volume.keyId} opens nothing, and is deleted`);

  const key = await steps.take("The key's record", () =>
    keyManager.describe(caller, rekeyed.keyId),
  );
  const { name, type, algorithm, bitLength, created, consumers } = key;
  const shown = { name, type, algorithm, bits: bitLength, created: time(created) };
  const needed = consumers?.map((consumer) => `${consumer.resourceType} ${consumer.resourceId}`);
  terminal.out(indented(record({ ...shown, "needed by": needed?.join(", ") })));

  const entries = await steps.take("The audit record", () => server.command("audit list", "8"));
  terminal.out(indented(auditTable(terminal, entries as readonly AuditEntry[])));
}

/** Writes a text into the disk, or finds that of an earlier start, and shows what of it is on the disk. */
async function showText(
  steps: Steps,
  say: (line: string) => void,
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
    const text = `A text that was written into this disk at ${time(new Date())}.`;
    sector.fill(0);
    new TextEncoder().encodeInto(text, sector);
    await steps.take("A text written into it, and read back", async () => {
      await withVolumeData(context, path, (disk) => disk.write(0, sector), "write");
      await read();
    });
  }
  say(`read with the key:  ${textOf()}`);
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(16), 0, 16, dataOffset);
    say(`lies on the disk:   ${buffer.toString("hex").replace(/(..)/g, "$1 ")}…`);
  } finally {
    await file.close();
  }
}

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
    this.#terminal.out(`\n${this.#number}. ${title} (${took} ms)\n`);
    return result;
  }
}

function indented(lines: string): string {
  return lines.replace(/^(?=.)/gm, "  ");
}
