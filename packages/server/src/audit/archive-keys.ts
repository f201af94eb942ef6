import type { RootKeyRing } from "../crypto/root-key/ring.ts";
import { unwrapSystemKey } from "../keyring/system-keys.ts";
import { isServerError } from "../model/server-error.ts";
import { type AuditKeys, auditKeyId, auditKeyNames } from "./chain/audit-keys.ts";
import { readLines } from "./read-lines.ts";
import { parseHeader, type WrappedKey } from "./segment-file.ts";

/** A file needs a key that neither the database nor any of the files gives. */
export class KeyNotAtHand extends Error {
  override readonly name = "KeyNotAtHand";
}

/** The keys that archives are verified with, by name and id. */
export class ArchiveKeys {
  readonly #keys = new Map<string, Uint8Array>();

  /** @param known those of a database */
  constructor(known?: AuditKeys) {
    if (known) this.#add(auditKeyNames.current, known.current);
    if (known?.legacy) this.#add(auditKeyNames.legacy, known.legacy);
  }

  /**
   * Takes the keys that the files bring with them, as far as the root keys unwrap them. They stay the same when the root
   * key is rotated, so one file from after a rotation is enough to verify older ones.
   *
   * @returns how many keys are known now
   */
  async learn(files: readonly string[], ring: RootKeyRing): Promise<number> {
    for (const file of files)
      for (const key of await keysOf(file)) {
        const bytes = unwrapped(key, ring);
        if (bytes && auditKeyId(bytes) === key.id) this.#add(key.name, bytes);
      }
    return this.#keys.size;
  }

  /** @throws KeyNotAtHand */
  find(name: string, id: string): Uint8Array {
    const key = this.#keys.get(`${name} ${id}`);
    if (!key)
      throw new KeyNotAtHand(
        `needs the audit key ${id}, which this root key does not unwrap: use the root key file of that time, name a newer archive of the same server too, or verify with its database`,
      );
    return key;
  }

  #add(name: string, key: Uint8Array): void {
    this.#keys.set(`${name} ${auditKeyId(key)}`, key);
  }
}

/** Of the file's first segment: all of a file are written together. */
async function keysOf(file: string): Promise<readonly WrappedKey[]> {
  try {
    for await (const line of readLines(file)) return parseHeader(line)?.keys ?? [];
  } catch {
    // The verification of the file says why.
  }
  return [];
}

function unwrapped(key: WrappedKey, ring: RootKeyRing): Uint8Array | undefined {
  const row = {
    name: key.name,
    root_key_id: key.rootKeyId,
    wrapped: Buffer.from(key.wrapped, "base64"),
  };
  try {
    return unwrapSystemKey(row, ring);
  } catch (error) {
    if (isServerError(error, "integrity")) return undefined;
    throw error;
  }
}
