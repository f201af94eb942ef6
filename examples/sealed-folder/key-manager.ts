import { generateKeyPairSync, randomUUID } from "node:crypto";
import {
  type Caller,
  type CallOptions,
  checkAttributes,
  checkedBitLength,
  checkKeySpec,
  type KeyManager,
  KeyManagerError,
  type KeyPairIds,
  type KeyPairSpec,
  type ListFilter,
  type ManagedObject,
  type ObjectId,
  type ObjectInfo,
  objectId,
  SecretBytes,
  type StoredObject,
  type SymmetricKeySpec,
} from "@chatelaine/keys";
import { type Sealed, SealedFolder } from "./sealed-folder.ts";

/** A key manager that keeps each object in a sealed file, for one machine that has no other. */
export class SealedFolderKeyManager implements KeyManager {
  readonly backend = "sealed-folder";
  readonly #folder: SealedFolder;
  readonly #path: string;

  /** @param rootKey 32 bytes, without which nothing in the folder can be read */
  constructor(path: string, rootKey: SecretBytes) {
    this.#folder = new SealedFolder(path, rootKey);
    this.#path = path;
  }

  async location(caller: Caller): Promise<string> {
    return `${this.#path} project ${projectOf(caller, {})}`;
  }

  async createKey(
    caller: Caller,
    spec: SymmetricKeySpec,
    options?: CallOptions,
  ): Promise<ObjectId> {
    checkKeySpec("createKey", spec);
    const { algorithm, bitLength, name, expiration } = spec;
    if (algorithm !== "aes" || ![128, 192, 256, 512].includes(bitLength)) throw unsupported(spec);
    const mode = spec.mode ?? (bitLength === 512 ? "xts" : undefined);
    const value = SecretBytes.random(bitLength / 8);
    const key = { type: "symmetric", algorithm, mode, name, expiration, value } as const;
    return this.store(caller, key, options);
  }

  async createKeyPair(
    caller: Caller,
    spec: KeyPairSpec,
    options?: CallOptions,
  ): Promise<KeyPairIds> {
    checkKeySpec("createKeyPair", spec);
    const { algorithm, bitLength, name, expiration } = spec;
    if (algorithm !== "rsa" || ![2048, 4096].includes(bitLength)) throw unsupported(spec);
    const pair = generateKeyPairSync("rsa", {
      modulusLength: bitLength,
      privateKeyEncoding: { type: "pkcs8", format: "der" },
      publicKeyEncoding: { type: "spki", format: "der" },
    });
    const store = (type: "private" | "public", der: Uint8Array) =>
      this.store(
        caller,
        { type, algorithm, name, expiration, value: new SecretBytes(der) },
        options,
      );
    const privateKeyId = await store("private", pair.privateKey);
    try {
      return { privateKeyId, publicKeyId: await store("public", pair.publicKey) };
    } catch (error) {
      await this.delete(caller, privateKeyId);
      throw error;
    }
  }

  async store(caller: Caller, object: ManagedObject, options: CallOptions = {}): Promise<ObjectId> {
    const project = projectOf(caller, options);
    checkAttributes("store", object);
    const bitLength = checkedBitLength("store", object);
    if (object.expiration !== undefined && object.expiration <= new Date()) {
      throw new KeyManagerError("invalid_argument", "store: the expiration is past");
    }
    const [id, now] = [objectId(randomUUID()), new Date()];
    const name = object.name ?? `sealed-${id}`;
    const contentType = object.contentType ?? "application/octet-stream";
    const record = { id, created: now, updated: now, consumers: [] };
    this.#folder.write({ project, object: { ...object, bitLength, name, contentType, ...record } });
    return id;
  }

  async copy(caller: Caller, id: ObjectId, options?: CallOptions): Promise<ObjectId> {
    return this.store(caller, await this.get(caller, id, options), options);
  }

  async get(caller: Caller, id: ObjectId, options: CallOptions = {}): Promise<StoredObject> {
    const project = projectOf(caller, options);
    const sealed = this.#folder.read(objectId(id));
    if (sealed === undefined || isExpired(sealed)) {
      throw new KeyManagerError("not_found", `object ${id}: there is none`);
    }
    if (sealed.project === project) return sealed.object;
    throw new KeyManagerError("forbidden", `object ${id}: it is another project's`);
  }

  async describe(caller: Caller, id: ObjectId, options?: CallOptions): Promise<ObjectInfo> {
    return withoutValue(await this.get(caller, id, options));
  }

  async *list(
    caller: Caller,
    filter: ListFilter = {},
    options: CallOptions = {},
  ): AsyncIterable<ObjectInfo> {
    const mine = projectOf(caller, options);
    for (const sealed of this.#folder.all()) {
      const { project, object } = sealed;
      if (project !== mine || isExpired(sealed)) continue;
      if (filter.type !== undefined && filter.type !== object.type) continue;
      if (filter.name !== undefined && filter.name !== object.name) continue;
      yield withoutValue(object);
    }
  }

  async delete(caller: Caller, id: ObjectId, options?: CallOptions): Promise<void> {
    this.#folder.remove((await this.get(caller, id, options)).id);
  }
}

function withoutValue(object: StoredObject): ObjectInfo {
  const { value: _, ...info } = object;
  return info;
}

function isExpired({ object: { expiration } }: Sealed): boolean {
  return expiration !== undefined && expiration <= new Date();
}

function projectOf(caller: Caller, { signal }: CallOptions): string {
  if (signal?.aborted === true) throw new KeyManagerError("unavailable", "aborted by the caller");
  if (caller?.type === "project") return caller.projectId;
  throw new KeyManagerError("invalid_argument", "this key manager knows callers by their project");
}

function unsupported({ algorithm, bitLength }: KeyPairSpec): KeyManagerError {
  return new KeyManagerError(
    "unsupported",
    `generate ${algorithm} of ${bitLength} bits: no such key`,
  );
}
