import { LuksError } from "../src/errors.ts";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { type HonestDisk, type HostileHeader, hostileHeader } from "./hostile/hostile-header.ts";
import { type Random, random } from "./hostile/random.ts";
import { MemoryDevice } from "./memory-device.ts";
import { passphrase } from "./scratch.ts";

/** What a run of the fuzzer found out. */
export interface FuzzSummary {
  readonly mutations: number;
  /** Mutations after which the header still read. */
  readonly accepted: number;
  /** Refusals by code. */
  readonly refused: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  /** Of the JavaScript heap and its buffers, by one mutation, garbage included. */
  readonly largestGrowthBytes: number;
}

const key = { passphrase: passphrase("key of sixteen bytes"), entropyBits: 128 };
const limits = { maxIterations: 2000, maxMemoryKiB: 1024, maxPassesTimesMemoryKiB: 8192 };
const area = 2 * 1024 * 1024;

/**
 * Mutates headers of both versions: bits, bytes, lengths, truncations, and the fields that `hostile/` lists, with the
 * checksum made good again so that the parser behind it is reached.
 *
 * @param seed the same seed gives the same mutations
 * @throws whatever is no `LuksError`, with the number of the mutation
 */
export async function fuzzHeaders(mutations: number, seed: number): Promise<FuzzSummary> {
  const luks1 = new MemoryDevice(new Uint8Array(area + 4096));
  await formatLuks1(luks1, { keyslots: [key], volumeKeyBitLength: 256 });
  const luks2 = new MemoryDevice(new Uint8Array(area + 4096));
  await formatLuks2(luks2, {
    keyslots: [key],
    volumeKeyBitLength: 256,
    dataOffset: area,
    tokens: [{ type: "x", keyslots: ["0"] }],
  });
  const next = random(seed, 0);
  const refused: Record<string, number> = {};
  let [accepted, slowestMs, largestGrowthBytes] = [0, 0, 0];
  // One disk is mutated over and over, and only what a header can reach is put back.
  const disks = [luks1, luks2].map(({ bytes }) => ({
    original: bytes.slice(0, area),
    device: new MemoryDevice(Uint8Array.from(bytes)),
  }));
  const honest = disks.map(
    ({ original, device }, number): HonestDisk => ({
      version: number === 0 ? 1 : 2,
      head: original,
      aim: { ...aim, diskBytes: device.size, dataOffset: area },
    }),
  );
  const touched: HostileHeader["writes"][] = [];
  for (let mutation = 0; mutation < mutations; mutation++) {
    const disk = disks[mutation % 2] as (typeof disks)[number];
    disk.device.bytes.set(disk.original.subarray(0, 0x8000));
    for (const { offset, bytes } of touched[mutation % 2] ?? []) {
      disk.device.bytes.set(disk.original.subarray(offset, offset + bytes.length), offset);
    }
    const isField = mutation % 4 > 1;
    const only = [honest[mutation % 2] as HonestDisk];
    const writes = isField ? hostileHeader(only, seed, mutation >> 2).writes : [];
    touched[mutation % 2] = writes;
    for (const { offset, bytes } of writes) disk.device.bytes.set(bytes, offset);
    if (!isField) mutateBytes(disk.device.bytes, mutation % 2 === 0 ? 592 : 0x8000, next);
    const device = !isField && next(20) === 0 ? truncated(disk.device, next) : disk.device;
    const before = memory();
    const start = performance.now();
    try {
      await readLuks(device);
      accepted++;
      // Opening costs a thousand times more than reading: now and then is enough.
      if (mutation % 500 < 2) await testPassphrase(device, key.passphrase, { limits });
    } catch (error) {
      if (!(error instanceof LuksError)) {
        throw new Error(`mutation ${mutation} of seed ${seed}`, { cause: error });
      }
      refused[error.code] = (refused[error.code] ?? 0) + 1;
    }
    slowestMs = Math.max(slowestMs, performance.now() - start);
    largestGrowthBytes = Math.max(largestGrowthBytes, memory() - before);
  }
  return { mutations, accepted, refused, slowestMs, largestGrowthBytes };
}

/** What hostile values point at; nothing here looks whether it is there. */
const aim = {
  self: "98:0",
  victim: "98:16",
  victimPath: "/dev/ubdb",
  foreignKey: "0f0e0d0c-0b0a-4908-8706-050403020100",
  foreignUuid: "1f0e0d0c-0b0a-4908-8706-050403020100",
};

function truncated(device: MemoryDevice, next: Random): MemoryDevice {
  return new MemoryDevice(device.bytes.subarray(0, next(area)));
}

function mutateBytes(bytes: Uint8Array, length: number, next: Random): void {
  for (let i = next(3); i >= 0; i--) mutateOnce(bytes, length, next);
}

function mutateOnce(bytes: Uint8Array, length: number, next: Random): void {
  const at = next(length);
  const kinds = [
    () => bytes.fill((bytes[at] ?? 0) ^ (1 << next(8)), at, at + 1),
    () => bytes.fill(next(256), at, at + 1 + next(8)),
    () => bytes.fill(0xff, at, at + 4),
    () => bytes.fill(0, at, at + 8),
    () => bytes.copyWithin(at, next(length), next(length)),
  ];
  kinds[next(kinds.length)]?.();
}

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
