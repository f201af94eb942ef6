import * as crypto from "node:crypto";
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { promisify } from "node:util";
import { LuksError } from "../errors.ts";
import { deriveArgon2Plain } from "./argon2.ts";
import { type HashName, opensslName } from "./hashes.ts";

/** How a key slot stretches its passphrase. */
export type KdfSpec =
  | { readonly type: "pbkdf2"; readonly hash: HashName; readonly iterations: number }
  | {
      readonly type: "argon2i" | "argon2id";
      /** Passes over the memory; RFC 9106's `t`. */
      readonly passes: number;
      /** RFC 9106's `m`. */
      readonly memoryKiB: number;
      /** RFC 9106's `p`. */
      readonly lanes: number;
    };

/** What a header may make us spend on one derivation, at most. */
export interface KdfLimits {
  /** Default 1,048,576 (1 GiB), the most that cryptsetup chooses by default. */
  readonly maxMemoryKiB?: number;
  /** Passes × memory in KiB; default 33,554,432 (32 passes over 1 GiB). */
  readonly maxPassesTimesMemoryKiB?: number;
  /** PBKDF2 iterations; default 50,000,000 (tens of seconds). */
  readonly maxIterations?: number;
}

/**
 * For keys that have full entropy already: stretching them adds seconds and memory, and no security.
 * 1,000 iterations is the least that cryptsetup accepts, as NIST SP 800-132 section 5.2 recommends.
 */
export const minimalKdf: KdfSpec = { type: "pbkdf2", hash: "sha256", iterations: 1000 };

/** For typed passphrases in LUKS2: RFC 9106 section 4, second option, with the four passes that are the least cryptsetup accepts. */
export const passphraseKdf: KdfSpec = { type: "argon2id", passes: 4, memoryKiB: 65536, lanes: 4 };

/** For typed passphrases in LUKS1, which knows PBKDF2 only. */
export const passphraseKdfLuks1: KdfSpec = { type: "pbkdf2", hash: "sha256", iterations: 600_000 };

/** What {@link minimalKdf} is for, in bits. */
export const fullEntropyBits = 128;

/**
 * Derives `length` bytes from a passphrase, off the main thread.
 *
 * @throws `too_costly` if `spec` exceeds `limits`, or needs more memory than there is
 */
export async function deriveKey(
  spec: KdfSpec,
  passphrase: Uint8Array,
  salt: Uint8Array,
  length: number,
  limits: KdfLimits = {},
): Promise<Uint8Array> {
  refuseCostly(spec, limits);
  if (spec.type === "pbkdf2") {
    const hash = opensslName(spec.hash);
    return promisify(crypto.pbkdf2)(passphrase, salt, spec.iterations, length, hash);
  }
  requireMemory(spec, mostMemoryBytes());
  return deriveArgon2(spec, passphrase, salt, length).catch((cause: unknown) => {
    if (cause instanceof LuksError) throw cause;
    throw noMemory(spec, cause);
  });
}

type Argon2Spec = Extract<KdfSpec, { memoryKiB: number }>;

/**
 * Refuses what would get this process killed: the kernel grants memory that it does not have.
 *
 * @param mostBytes that this process can ever get
 * @throws `too_costly`
 */
export function requireMemory(spec: Argon2Spec, mostBytes: number): void {
  if (spec.memoryKiB * 1024 > mostBytes) throw noMemory(spec);
}

function noMemory({ type, memoryKiB }: Argon2Spec, cause?: unknown): LuksError {
  return new LuksError(
    "too_costly",
    `derive key: ${type} needs ${memoryKiB} KiB of memory, which this process does not get: ` +
      "use a machine or limit with more, or another key slot",
    { cause },
  );
}

/** The machine's memory or that of the control group, and swap space. */
function mostMemoryBytes(): number {
  const limit = process.constrainedMemory();
  const memory = limit > 0 ? Math.min(totalmem(), limit) : totalmem();
  return memory + swapBytes();
}

function swapBytes(): number {
  try {
    const kibibytes = /^SwapTotal: +(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    // Not Linux: unknown.
    return Number.POSITIVE_INFINITY;
  }
}

/** @throws `too_costly` */
export function refuseCostly(spec: KdfSpec, limits: KdfLimits): void {
  const excess = excessOf(spec, limits);
  if (excess)
    throw new LuksError(
      "too_costly",
      `derive key: ${excess} exceed the limit: use another key slot`,
    );
}

function excessOf(spec: KdfSpec, limits: KdfLimits): string | undefined {
  if (spec.type === "pbkdf2") {
    const { iterations } = spec;
    return iterations > (limits.maxIterations ?? 50_000_000)
      ? `${iterations} iterations`
      : undefined;
  }
  const { passes, memoryKiB } = spec;
  if (memoryKiB > (limits.maxMemoryKiB ?? 1_048_576)) return `${memoryKiB} KiB of memory`;
  return passes * memoryKiB > (limits.maxPassesTimesMemoryKiB ?? 33_554_432)
    ? `${passes} passes over ${memoryKiB} KiB`
    : undefined;
}

async function deriveArgon2(
  spec: Argon2Spec,
  passphrase: Uint8Array,
  salt: Uint8Array,
  length: number,
): Promise<Uint8Array> {
  if (passphrase.length === 0) return deriveArgon2Plain(spec, passphrase, salt, length);
  if (typeof crypto.argon2 === "function") {
    return promisify(crypto.argon2)(spec.type, {
      message: passphrase,
      nonce: salt,
      parallelism: spec.lanes,
      tagLength: length,
      memory: spec.memoryKiB,
      passes: spec.passes,
    });
  }
  return deriveArgon2Wasm(spec, passphrase, salt, length);
}

/** For Node.js before 24.7, whose crypto has no argon2. On the main thread, and several times slower. */
export async function deriveArgon2Wasm(
  spec: Argon2Spec,
  passphrase: Uint8Array,
  salt: Uint8Array,
  length: number,
): Promise<Uint8Array> {
  const { argon2i, argon2id } = await import("hash-wasm");
  const argon2 = spec.type === "argon2i" ? argon2i : argon2id;
  return argon2({
    password: passphrase,
    salt,
    parallelism: spec.lanes,
    hashLength: length,
    memorySize: spec.memoryKiB,
    iterations: spec.passes,
    outputType: "binary",
  });
}
