import { LuksError } from "../src/errors.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { hasValidChecksum, parseBinaryHeader, renderHeader } from "../src/luks2/binary-header.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { readLuks } from "../src/read.ts";
import { testPassphrase } from "../src/unlock.ts";
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
 * Mutates headers of both versions: bits, bytes, lengths, truncations, and for LUKS2 the JSON text, with the checksum
 * made good again so that the parser behind it is reached.
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
  const next = generator(seed);
  const refused: Record<string, number> = {};
  let [accepted, slowestMs, largestGrowthBytes] = [0, 0, 0];
  // One disk is mutated over and over, and only what a header can reach is put back.
  const disks = [luks1, luks2].map(({ bytes }) => ({
    original: bytes.slice(0, 0x8000),
    device: new MemoryDevice(Uint8Array.from(bytes)),
  }));
  for (let mutation = 0; mutation < mutations; mutation++) {
    const disk = disks[mutation % 2] as (typeof disks)[number];
    disk.device.bytes.set(disk.original);
    const device =
      mutation % 2 === 0
        ? mutateLuks1(disk.device, next)
        : mutateLuks2(disk.device, disk.original, next);
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

type Random = (below: number) => number;

function mutateLuks1(device: MemoryDevice, next: Random): MemoryDevice {
  for (let i = next(3); i >= 0; i--) mutateBytes(device.bytes, 592, next);
  return next(20) === 0 ? truncated(device, next) : device;
}

function mutateLuks2(device: MemoryDevice, original: Uint8Array, next: Random): MemoryDevice {
  if (next(4) === 0) {
    for (let i = next(3); i >= 0; i--) mutateBytes(device.bytes, 0x8000, next);
    return next(10) === 0 ? truncated(device, next) : device;
  }
  const end = original.indexOf(0, 4096);
  const json = Buffer.from(original.slice(4096, end));
  const mutated = mutateText(json, next);
  const binary = parseBinaryHeader(original, 0);
  if (!binary || mutated.length > 0x3000) return device;
  const changed = next(8) === 0 ? { ...binary, sequence: next(2 ** 31) } : binary;
  for (const offset of [0, 0x4000]) {
    const copy = renderHeader({ ...changed, offset }, mutated);
    if (!hasValidChecksum(copy, { ...changed, offset })) throw new Error("fuzzer: wrong checksum");
    device.bytes.set(copy, offset);
  }
  return device;
}

function truncated(device: MemoryDevice, next: Random): MemoryDevice {
  return new MemoryDevice(device.bytes.subarray(0, next(area)));
}

function mutateBytes(bytes: Uint8Array, length: number, next: Random): void {
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

/** Numbers, brackets, names: what a JSON parser and a validator trip over. */
const bombs = [
  "-1",
  "0",
  "4294967296",
  "9007199254740993",
  "18446744073709551615",
  "1e400",
  "null",
  '"',
  "{}",
  "[]",
  "[[[[[[",
  "{{",
  "true",
  '"dynamic"',
  '"__proto__":',
  "\\u0000",
  "[".repeat(3000),
  "{},".repeat(2000),
  '"luks2"',
  '"reencrypt"',
  '"argon2id"',
  '"4096"',
  '"32768"',
  "\xff",
];

function mutateText(text: Buffer, next: Random): Buffer {
  let result = text;
  for (let i = next(3); i >= 0; i--) {
    const at = next(result.length);
    const cut = next(4) === 0 ? next(60) : next(6);
    const bomb = Buffer.from(bombs[next(bombs.length)] as string, "latin1");
    const numbers = [...result.toString("latin1").matchAll(/\d+/g)];
    const number = numbers[next(Math.max(1, numbers.length))];
    const parts =
      next(2) === 0 && number
        ? [result.subarray(0, number.index), bomb, result.subarray(number.index + number[0].length)]
        : [
            result.subarray(0, at),
            next(3) === 0 ? Buffer.of(next(256)) : bomb,
            result.subarray(at + cut),
          ];
    result = Buffer.concat(parts);
  }
  return result;
}

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Mulberry32: small, and the same on every machine. */
function generator(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
