import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BarbicanKeyManager } from "@chatelaine/keys";
import { createVolume, openLedger, type VolumeContext, verifyVolume } from "@chatelaine/volumes";
import { runInGuest } from "../../interop/guest/guest.ts";
import { installPackages } from "../../interop/host/debian.ts";
import { KeyServerProcess, ServerFolder } from "../../interop/server/key-server.ts";
import { makeTenants } from "../../interop/server/tenants.ts";
import { type Benchmark, below, type Row } from "../benchmark.ts";
import { packageVersion } from "../machine.ts";
import { median, quantile } from "../statistics.ts";
import type { GuestReport, Opened } from "./open-in-guest.ts";
import { timed } from "./timed-key-manager.ts";

const mebibyte = 1024 * 1024;
/** Volumes that the guest opens, and how many that cryptsetup formatted with its default KDF: one takes seconds. */
const [volumeCount, peerCount] = [100, 3];
const warmUps = 5;

/**
 * Making volumes with keys of our own key server, on a disk that syncs; the key server's share of opening one; and one
 * hundred of them opened by the guest kernel's dm-crypt, beside a disk as `cryptsetup luksFormat` makes it by default.
 */
export const volumes: Benchmark = {
  name: "volumes",
  shows: "volumes with keys of our key server: created, and opened by a kernel, beside cryptsetup",
  async run({ rounds = 100, log }) {
    installPackages(["cryptsetup-bin", "dmsetup", "lvm2"], log);
    const folder = mkdtempSync(join(tmpdir(), "bench-volumes-"));
    const serverFolder = new ServerFolder();
    const server = await KeyServerProcess.start(serverFolder);
    const ledger = openLedger({ path: join(folder, "ledger.sqlite") });
    try {
      const password = serverFolder.adminPassword();
      const { bench } = await makeTenants(server.url, password, ["bench"]);
      const keyManager = new BarbicanKeyManager({ endpoint: server.url });
      const context = { keyManager, caller: bench.caller, ledger };
      log(`creating ${rounds} volumes`);
      const created = await createMany(context, folder, rounds);
      log("cryptsetup's default format");
      const { disk, ms } = peerDisk(folder);
      log(`opening ${volumeCount} volumes in the guest`);
      const guest = await openInGuest(disk);
      return {
        rows: [...creation(created, ms), ...opening(guest)],
        notes: [
          `cryptsetup ${packageVersion("cryptsetup-bin")}, user-mode-linux ${packageVersion("user-mode-linux")}: a guest kernel with one CPU, on which the key server runs as well`,
          "opened in the guest: logical volumes, with one run of dmsetup; the others, a run of cryptsetup each",
          `created: files in ${folder.slice(0, folder.lastIndexOf("/"))}, every write synced; memory: by how much the guest's AnonPages grew, and MemAvailable sank, at the most`,
        ],
      };
    } finally {
      await ledger.close();
      await server.stop();
      serverFolder.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

interface Created {
  /** Milliseconds, one of each volume. */
  readonly create: readonly number[];
  /** Of a creation, what the calls to the key manager took. */
  readonly createKeys: readonly number[];
  /** What a process that opens a volume waits for the key manager. */
  readonly attachKeys: readonly number[];
}

async function createMany(context: VolumeContext, folder: string, count: number): Promise<Created> {
  const clock = timed(context.keyManager);
  const measured = { ...context, keyManager: clock.keyManager };
  const create: number[] = [];
  const createKeys: number[] = [];
  const attachKeys: number[] = [];
  for (let index = -warmUps; index < count; index++) {
    const path = join(folder, `disk${index}.img`);
    clock.take();
    const began = performance.now();
    await createVolume(measured, { path, sizeBytes: mebibyte });
    const ms = performance.now() - began;
    const createShare = clock.take();
    // Asks the key manager for what opening asks, and leaves out the kernel, which this host may not have.
    await verifyVolume(measured, path);
    const attachShare = clock.take();
    if (index < 0) continue;
    create.push(ms);
    createKeys.push(createShare);
    attachKeys.push(attachShare);
  }
  return { create, createKeys, attachKeys };
}

/** A disk as cryptsetup formats it unless told, and how long that took. */
function peerDisk(folder: string): { readonly disk: string; readonly ms: number } {
  const disk = join(folder, "peer.img");
  writeFileSync(disk, "");
  truncateSync(disk, 17 * mebibyte);
  const began = performance.now();
  const words = ["luksFormat", "--batch-mode", "--sector-size", "512", "--key-file=-", disk];
  const { status, stderr } = spawnSync("cryptsetup", words, { input: "00".repeat(32) });
  if (status !== 0) throw new Error(`cryptsetup: status ${status}: ${stderr.toString()}`);
  return { disk, ms: performance.now() - began };
}

async function openInGuest(peer: string): Promise<GuestReport> {
  // In memory: the guest's own files would count as memory it uses, and the host's disk is not what is measured.
  const share = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bench-guest-"));
  try {
    const program = fileURLToPath(new URL("open-in-guest.ts", import.meta.url));
    const words = [share, String(volumeCount), peer, String(peerCount)];
    const result = await runInGuest([process.execPath, program, ...words], {
      shares: [share],
      disks: [(volumeCount + 1) * 20 * mebibyte],
      memoryMiB: 3072,
      timeoutSeconds: 540,
    });
    const line = /^report: (.*)$/m.exec(result.stdout)?.[1];
    if (result.status !== 0 || line === undefined) {
      throw new Error(`guest: status ${result.status}\n${result.stdout}${result.stderr}`);
    }
    return JSON.parse(line) as GuestReport;
  } finally {
    rmSync(share, { recursive: true, force: true });
  }
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
