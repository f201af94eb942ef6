import {
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";
import { SecretBytes } from "@chatelaine/keys/interface";
import { RootKeyError } from "./root-key-error.ts";

/** One key that wraps project keys; ids only grow. */
export interface RootKey {
  readonly id: number;
  /**
   * Wraps and unwraps; derived, so that the check value says nothing of it.
   *
   * Its wraps are not counted: there is one for each project key that is made, and one
   * more in a rotation of the root key. No request makes more than a project's first
   * key or, after 2^30 seals, its next one, so that 2^32 wraps (where NIST SP 800-38D
   * ends a key with random nonces) are out of reach. System keys seal nothing: they
   * make MACs, which have no such end.
   */
  readonly wrapping: KeyObject;
  /** Tells this key from another, and reveals neither (32 bytes). */
  readonly checkValue: Uint8Array;
  /** In a root key file: rows were tagged under this key (base64). */
  readonly rowsTaggedMark: string;
}

/** The opened root keys: the current one wraps, the others only unwrap while a rotation runs. */
export interface RootKeyRing {
  readonly current: RootKey;
  readonly all: ReadonlyMap<number, RootKey>;
  /** True if something outside the database says that its rows were tagged under one of these keys. */
  readonly rowsTagged: boolean;
}

/** The length of a root key. */
export const rootKeyBytes = 32;

/** Derives what a root key is used for. @param bytes 32 bytes */
export function rootKey(id: number, bytes: Uint8Array): RootKey {
  if (bytes.length !== rootKeyBytes)
    throw new RootKeyError(
      "refused",
      `root key ${id}: ${bytes.length} bytes; it must have ${rootKeyBytes}`,
    );
  const derive = (use: string) =>
    createSecretKey(Buffer.from(hkdfSync("sha256", bytes, "", `chatelaine root key: ${use}`, 32)));
  const mac = (use: string, text: string) =>
    createHmac("sha256", derive(use)).update(text).digest();
  return {
    id,
    wrapping: derive("wrap"),
    checkValue: mac("check", "check value"),
    rowsTaggedMark: mac("mark", "rows tagged").toString("base64"),
  };
}

/** A ring of one or more keys; the highest id is current. */
export function rootKeyRing(keys: readonly RootKey[], rowsTagged = false): RootKeyRing {
  const current = keys.toSorted((a, b) => b.id - a.id)[0];
  if (!current) throw new RootKeyError("absent", "root key: missing");
  return { current, all: new Map(keys.map((key) => [key.id, key])), rowsTagged };
}

/**
 * Checks that these are the keys that the database was written with.
 *
 * @throws RootKeyError if one differs or is missing
 */
export function checkRootKeys(
  ring: RootKeyRing,
  recorded: readonly { readonly id: number; readonly check_value: Uint8Array }[],
): void {
  for (const { id, check_value: expected } of recorded) {
    const key = ring.all.get(id);
    if (!key)
      throw new RootKeyError(
        "absent",
        `root key: the database was written with root key ${id}, which is missing; restore the root key file that belongs to this database`,
      );
    if (!timingSafeEqual(key.checkValue, expected))
      throw new RootKeyError(
        "wrong_key",
        `root key: key ${id} is not the one this database was written with; restore the root key file that belongs to this database`,
      );
  }
}

/** A root key in base64. @param what names the key in errors. @throws RootKeyError `refused` */
export function decodeRootKey(text: string, what: string): SecretBytes {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === rootKeyBytes && bytes.toString("base64") === text) {
    const key = new SecretBytes(bytes);
    bytes.fill(0);
    return key;
  }
  throw new RootKeyError("refused", `${what}: not ${rootKeyBytes} bytes in base64`);
}
