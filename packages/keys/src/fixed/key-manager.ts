import { type Caller, refuseNobody } from "../model/caller.ts";
import { KeyManagerError } from "../model/errors.ts";
import type { KeyManager, ListFilter } from "../model/key-manager.ts";
import {
  fixedKeyId,
  type ObjectId,
  type ObjectInfo,
  objectId,
  type StoredObject,
} from "../model/managed-object.ts";
import { refuseUnknownOptions } from "../model/options.ts";
import { SecretBytes } from "../model/secret-bytes.ts";

/** The legacy key that all volumes share. */
export interface FixedOptions {
  /** The bytes, or their hexadecimal text as in `[key_manager] fixed_key`. */
  readonly key: string | SecretBytes;
  /** Told that every disk has the same key. Default: a process warning. */
  readonly warn?: ((message: string) => void) | undefined;
}

/**
 * The legacy key manager with one hard-coded key for every volume of every
 * project. It exists so that volumes can be moved off it: it hands that key out,
 * and does nothing else.
 */
export class FixedKeyManager implements KeyManager {
  readonly backend = "fixed";
  readonly #key: SecretBytes;
  readonly #warn: (message: string) => void;

  /** @throws `invalid_argument` if the key is no hexadecimal text of whole bytes. */
  constructor(options: FixedOptions) {
    refuseUnknownOptions("fixed", options, ["key", "warn"]);
    this.#key = typeof options.key === "string" ? fromHex(options.key) : options.key;
    if (this.#key.length === 0) throw noKey();
    this.#warn =
      options.warn ?? ((message: string) => process.emitWarning(message, "ChatelaineWarning"));
    this.#warn(
      "fixed key manager: one key opens every volume of every project; move them to keys of their own",
    );
  }

  /** The same for every caller. */
  async location(): Promise<string> {
    return this.backend;
  }

  async createKey(): Promise<never> {
    throw onlyOne("create a key");
  }

  async createKeyPair(): Promise<never> {
    throw onlyOne("create a key pair");
  }

  async store(): Promise<never> {
    throw onlyOne("store an object");
  }

  async copy(): Promise<never> {
    throw onlyOne("copy a key");
  }

  async get(caller: Caller, id: ObjectId): Promise<StoredObject> {
    return { ...(await this.describe(caller, id)), type: "symmetric", value: this.#key };
  }

  async describe(caller: Caller, id: ObjectId): Promise<ObjectInfo> {
    refuseNobody(caller);
    refuseOthers(id);
    const unknown = new Date(0);
    return {
      type: "symmetric",
      id: fixedKeyId,
      algorithm: "aes",
      bitLength: this.#key.length * 8,
      created: unknown,
      updated: unknown,
      consumers: [],
    };
  }

  async *list(caller: Caller, filter: ListFilter = {}): AsyncIterable<ObjectInfo> {
    refuseNobody(caller);
    if ((filter.type ?? "symmetric") === "symmetric" && filter.name === undefined) {
      yield await this.describe(caller, fixedKeyId);
    }
  }

  /** Keeps the key, with a warning: every other volume still needs it, and the deletion of one must go on. */
  async delete(caller: Caller, id: ObjectId): Promise<void> {
    refuseNobody(caller);
    refuseOthers(id);
    this.#warn("fixed key manager: the fixed key is not deleted: other volumes need it");
  }
}

function fromHex(text: string): SecretBytes {
  if (text.length === 0 || text.length % 2 !== 0 || !/^[0-9a-f]+$/i.test(text)) {
    throw noKey();
  }
  return new SecretBytes(Buffer.from(text, "hex"));
}

function noKey(): KeyManagerError {
  return new KeyManagerError(
    "invalid_argument",
    "fixed key: it must be hexadecimal digits, two for each byte",
  );
}

function refuseOthers(id: ObjectId): void {
  if (objectId(id) === fixedKeyId) return;
  throw new KeyManagerError(
    "not_found",
    `object ${id}: the fixed key manager has only ${fixedKeyId}`,
  );
}

function onlyOne(what: string): KeyManagerError {
  return new KeyManagerError(
    "unsupported",
    `${what}: the fixed key manager has one key, for reading old volumes`,
  );
}
