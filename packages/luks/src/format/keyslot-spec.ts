import { hashNameOf } from "../crypto/hashes.ts";
import { fullEntropyBits, type KdfSpec, minimalKdf } from "../crypto/kdf.ts";
import { LuksError } from "../errors.ts";
import { refuseUnknownOptions, requireInteger } from "../options.ts";

/** `prefer` slots are tried first; `ignore` slots only when asked for by number. */
export type KeyslotPriority = "ignore" | "normal" | "prefer";

/** A key slot to make. */
export interface KeyslotSpec {
  /** What opens the slot: 1 byte to 8 MiB, used as they are. */
  readonly passphrase: Uint8Array;
  /**
   * How many bits of entropy the passphrase has, if you know: 256 for the hex text of a 256-bit key.
   * From 128 on, the slot needs no stretching and opens in milliseconds. Default: unknown, as with
   * anything that a person has typed.
   */
  readonly entropyBits?: number;
  /** Weakens security: the passphrase may be empty, and then everybody who has the disk opens it. Default false. */
  readonly allowEmptyPassphrase?: boolean;
  /** Default: by `entropyBits`, {@link minimalKdf} or a slow one for typed passphrases. */
  readonly kdf?: KdfSpec;
  /** Default: the lowest free number. */
  readonly slot?: number;
  /** Default `normal`. LUKS2 only. */
  readonly priority?: KeyslotPriority;
}

/**
 * Checks a specification and settles its key derivation.
 *
 * @param forPeople the slow derivation of this LUKS version
 * @throws `invalid_argument`
 */
export function settleKdf(operation: string, spec: KeyslotSpec, forPeople: KdfSpec): KdfSpec {
  refuseUnknownOptions(operation, spec, [
    "passphrase",
    "entropyBits",
    "allowEmptyPassphrase",
    "kdf",
    "slot",
    "priority",
  ]);
  requireNewPassphrase(operation, spec);
  const { entropyBits, passphrase } = spec;
  if (entropyBits !== undefined) {
    requireInteger(operation, "entropyBits", entropyBits, 0, passphrase.length * 8);
  }
  if (spec.priority !== undefined && !Object.hasOwn(priorityNumbers, spec.priority)) {
    throw new LuksError(
      "invalid_argument",
      `${operation} priority: must be ignore, normal or prefer`,
    );
  }
  if (spec.kdf) return checkedKdf(operation, spec.kdf);
  return entropyBits !== undefined && entropyBits >= fullEntropyBits ? minimalKdf : forPeople;
}

/** In bytes: the largest key file that cryptsetup reads by default. */
export const maxPassphraseBytes = 8 * 1024 * 1024;

/**
 * What opens a slot may be empty: other programs make such slots.
 *
 * @throws `invalid_argument`
 */
export function requirePassphrase(
  operation: string,
  passphrase: unknown,
): asserts passphrase is Uint8Array {
  if (passphrase instanceof Uint8Array && passphrase.length <= maxPassphraseBytes) return;
  throw new LuksError("invalid_argument", `${operation} passphrase: must be at most 8 MiB`);
}

function requireNewPassphrase(operation: string, spec: KeyslotSpec): void {
  requirePassphrase(operation, spec.passphrase);
  if (spec.passphrase.length > 0 || spec.allowEmptyPassphrase === true) return;
  throw new LuksError(
    "invalid_argument",
    `${operation} passphrase: is empty, so anyone with the disk could open it: give a passphrase, or set allowEmptyPassphrase`,
  );
}

export const priorityNumbers = { ignore: 0, normal: 1, prefer: 2 } as const satisfies Record<
  KeyslotPriority,
  number
>;

export function priorityName(priority: number | undefined): KeyslotPriority {
  return priority === 0 ? "ignore" : priority === 2 ? "prefer" : "normal";
}

/** cryptsetup accepts no fewer iterations, passes or memory than these. */
function checkedKdf(operation: string, kdf: KdfSpec): KdfSpec {
  if (kdf.type === "pbkdf2") {
    refuseUnknownOptions(operation, kdf, ["type", "hash", "iterations"]);
    requireInteger(operation, "kdf.iterations", kdf.iterations, 1000, 2 ** 32 - 1);
    if (hashNameOf(kdf.hash) !== kdf.hash) {
      throw new LuksError(
        "invalid_argument",
        `${operation} kdf.hash: must be sha256 or another hash of LUKS that OpenSSL has here`,
      );
    }
    return kdf;
  }
  if (kdf.type !== "argon2i" && kdf.type !== "argon2id") {
    throw new LuksError(
      "invalid_argument",
      `${operation} kdf.type: must be pbkdf2, argon2i or argon2id`,
    );
  }
  refuseUnknownOptions(operation, kdf, ["type", "passes", "memoryKiB", "lanes"]);
  requireInteger(operation, "kdf.passes", kdf.passes, 4, 2 ** 32 - 1);
  requireInteger(operation, "kdf.memoryKiB", kdf.memoryKiB, 32, 4 * 1024 * 1024);
  requireInteger(operation, "kdf.lanes", kdf.lanes, 1, 4);
  return kdf;
}
