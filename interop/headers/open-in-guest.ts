import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type {
  GuestLine,
  GuestSample,
  GuestTrial,
} from "../../packages/volumes/test/headers/sample.ts";
import {
  sceneDiskBytes,
  sceneDisks,
  victimBytes,
} from "../../packages/volumes/test/headers/scene.ts";
import { runInGuest } from "../guest/guest.ts";

/** What must be installed on the host. */
export const openedWith = ["cryptsetup-bin", "dmsetup"] as const;

export interface OpenInGuestOptions {
  /** For the guest's disks. */
  readonly folder: string;
  readonly onTrial: (trial: GuestTrial) => void;
  /** Cuts the guest's power when aborted. */
  readonly signal: AbortSignal;
}

/** How many headers one boot opens: what a guest loses when it hangs. */
const perBoot = 250;

/** How long one call may take; a busy machine's longest is a few seconds. */
const patienceMs = 180_000;

/**
 * Opens hostile headers on a kernel of its own.
 *
 * @throws Error if the guest fails, or hangs, with the header that it was at
 */
export async function openInGuest(
  { seed, indexes }: GuestSample,
  { folder, onTrial, signal }: OpenInGuestOptions,
): Promise<void> {
  for (let from = 0; from < indexes.length; from += perBoot) {
    if (signal.aborted) return;
    const shared = join(folder, `boot-${from}`);
    mkdirSync(shared);
    const sample: GuestSample = { seed, indexes: indexes.slice(from, from + perBoot) };
    writeFileSync(join(shared, "sample.json"), JSON.stringify(sample));
    await bootOnce(shared, onTrial, signal);
  }
}

async function bootOnce(
  shared: string,
  onTrial: (trial: GuestTrial) => void,
  signal: AbortSignal,
): Promise<void> {
  const disks = Array.from({ length: sceneDisks + 1 }, (_, number) => {
    const path = join(shared, `disk-${number}`);
    writeFileSync(path, "");
    truncateSync(path, number < sceneDisks ? sceneDiskBytes : victimBytes);
    return path;
  });
  const program = fileURLToPath(
    new URL("../../packages/volumes/test/headers/in-guest.ts", import.meta.url),
  );
  const hung = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(() => hung.abort(), patienceMs);
  };
  let current: GuestLine | undefined;
  let rest = "";
  restart();
  try {
    const result = await runInGuest([process.execPath, program, shared], {
      disks,
      shares: [shared],
      memoryMiB: 768,
      timeoutSeconds: 7200,
      environment: { NODE_NO_WARNINGS: "1" },
      signal: AbortSignal.any([hung.signal, signal]),
      onOutput: (chunk) => {
        restart();
        const lines = (rest + Buffer.from(chunk).toString()).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          current = JSON.parse(line) as GuestLine;
          if (current.type === "trial") onTrial(current);
        }
      },
    });
    if (signal.aborted || result.status === 0) return;
    const at = current === undefined ? "its start" : JSON.stringify(current);
    const how = hung.signal.aborted ? "hangs" : `ended with status ${result.status}`;
    const words = `${result.stderr}${result.status >= 124 ? result.console : ""}`.slice(-2000);
    throw new Error(`open in guest: the guest ${how} at ${at}: ${words}`);
  } finally {
    clearTimeout(timer);
  }
}
