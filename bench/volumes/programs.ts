/** Runs the programs of this folder from any checkout, and reads their reports. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInGuest } from "../../interop/guest/guest.ts";
import type { Created } from "./create-volumes.ts";
import type { GuestReport } from "./open-in-guest.ts";

const mebibyte = 1024 * 1024;

/** A disk that cryptsetup formatted, and how often the guest opens it. */
export interface PeerDisk {
  readonly path: string;
  readonly count: number;
}

/** @param checkout whose packages make the volumes */
export function createVolumes(checkout: string, count: number): Created {
  const program = join(checkout, "bench/volumes/create-volumes.ts");
  const output = execFileSync(process.execPath, [program, String(count)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return reportIn(output) as Created;
}

/**
 * Boots a guest that makes and opens volumes.
 *
 * @param checkout whose packages open the volumes
 * @throws Error with what the guest said, if it fails
 */
export async function openInGuest(
  checkout: string,
  count: number,
  peer: PeerDisk = { path: "none", count: 0 },
): Promise<GuestReport> {
  // In memory: the guest's own files would count as memory it uses, and the host's disk is not what is measured.
  const share = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bench-guest-"));
  try {
    const program = join(checkout, "bench/volumes/open-in-guest.ts");
    const words = [share, String(count), peer.path, String(peer.count)];
    const result = await runInGuest([process.execPath, program, ...words], {
      shares: [share],
      disks: [(count + 1) * 20 * mebibyte],
      memoryMiB: 3072,
      timeoutSeconds: 540,
    });
    if (result.status !== 0) {
      throw new Error(`guest: status ${result.status}\n${result.stdout}${result.stderr}`);
    }
    return reportIn(result.stdout) as GuestReport;
  } finally {
    rmSync(share, { recursive: true, force: true });
  }
}

function reportIn(output: string): unknown {
  const line = /^report: (.*)$/m.exec(output)?.[1];
  if (line === undefined) throw new Error(`no report in:\n${output}`);
  return JSON.parse(line);
}
