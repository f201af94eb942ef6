import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackages } from "../../interop/host/debian.ts";
import { type Benchmark, below, type Row } from "../benchmark.ts";
import { thisCheckout } from "../compare/checkout.ts";
import { packageVersion } from "../machine.ts";
import { median, quantile } from "../statistics.ts";
import type { Created } from "./create-volumes.ts";
import type { GuestReport, Opened } from "./open-in-guest.ts";
import { createVolumes, openInGuest } from "./programs.ts";

/** Debian packages that the guest runs. */
export const volumePackages = ["cryptsetup-bin", "dmsetup", "lvm2"] as const;

const mebibyte = 1024 * 1024;
/** Volumes that the guest opens, and how many that cryptsetup formatted with its default KDF: one takes seconds. */
const [volumeCount, peerCount] = [100, 3];

/**
 * Making volumes with keys of our own key server, on a disk that syncs; the key server's share of opening one; and one
 * hundred of them opened by the guest kernel's dm-crypt, beside a disk as `cryptsetup luksFormat` makes it by default.
 */
export const volumes: Benchmark = {
  name: "volumes",
  shows: "volumes with keys of our key server: created, and opened by a kernel, beside cryptsetup",
  async run({ rounds = 100, log }) {
    installPackages(volumePackages, log);
    const folder = mkdtempSync(join(tmpdir(), "bench-volumes-"));
    try {
      log(`creating ${rounds} volumes`);
      const created = createVolumes(thisCheckout, rounds);
      log("cryptsetup's default format");
      const { path, ms } = peerDisk(folder);
      log(`opening ${volumeCount} volumes in the guest`);
      const guest = await openInGuest(thisCheckout, volumeCount, { path, count: peerCount });
      return {
        rows: [...creation(created, ms), ...opening(guest)],
        notes: [
          `cryptsetup ${packageVersion("cryptsetup-bin")}, user-mode-linux ${packageVersion("user-mode-linux")}: a guest kernel with one CPU, on which the key server runs as well`,
          "opened in the guest: logical volumes, with one run of dmsetup; the others, a run of cryptsetup each",
          `created: files in ${folder.slice(0, folder.lastIndexOf("/"))}, every write synced; memory: by how much the guest's AnonPages grew, and MemAvailable sank, at the most`,
        ],
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** A disk as cryptsetup formats it unless told, and how long that took. */
function peerDisk(folder: string): { readonly path: string; readonly ms: number } {
  const disk = join(folder, "peer.img");
  writeFileSync(disk, "");
  truncateSync(disk, 17 * mebibyte);
  const began = performance.now();
  const words = ["luksFormat", "--batch-mode", "--sector-size", "512", "--key-file=-", disk];
  const { status, stderr } = spawnSync("cryptsetup", words, { input: "00".repeat(32) });
  if (status !== 0) throw new Error(`cryptsetup: status ${status}: ${stderr.toString()}`);
  return { path: disk, ms: performance.now() - began };
}

function creation(created: Created, peerMs: number): readonly Row[] {
  return [
    latency("create: key, format, proof, ledger", created.create, 40),
    latency("of which the key manager", created.createKeys),
    latency("the key manager's share of an attach", created.attachKeys, 5),
    latency("cryptsetup luksFormat by default, no key manager", [peerMs]),
  ];
}

function latency(name: string, samples: readonly number[], barMs?: number): Row {
  const p50 = median(samples);
  return {
    name,
    columns: { "p50 ms": p50, "p90 ms": quantile(samples, 0.9), samples: samples.length },
    ...(barMs !== undefined && { verdict: below(p50, "ms", barMs) }),
  };
}

function opening({ ours, oneByOne, bare, peer }: GuestReport): readonly Row[] {
  return [
    {
      name: "ours, time for 100",
      columns: openedColumns(ours),
      verdict: below((ours.ms / ours.count) * 100, "ms", 10_000),
    },
    {
      name: "ours, memory of processes",
      columns: openedColumns(ours),
      verdict: below(ours.processesMiB, "MiB", 50),
    },
    { name: "ours, one by one", columns: openedColumns(oneByOne) },
    { name: "cryptsetup alone, on our slots", columns: openedColumns(bare) },
    { name: "cryptsetup alone, its default KDF", columns: openedColumns(peer) },
  ];
}

function openedColumns({ count, ms, processesMiB, allMiB }: Opened): Row["columns"] {
  return {
    opened: count,
    "ms each": ms / count,
    "processes MiB": processesMiB,
    "with kernel MiB": allMiB,
  };
}
