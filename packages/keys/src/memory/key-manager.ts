import { generateKeyPairSync, randomUUID } from "node:crypto";
import { checkAttributes, checkConsumer, checkKeySpec } from "../model/attributes.ts";
import type { Caller } from "../model/caller.ts";
import { KeyManagerError } from "../model/errors.ts";
import type {
  AccessGrants,
  CallOptions,
  ConsumerTracking,
  DeleteOptions,
  KeyManager,
  KeyPairIds,
  KeyPairSpec,
  ListFilter,
  ReadAccess,
  SymmetricKeySpec,
} from "../model/key-manager.ts";
import { checkedBitLength } from "../model/key-material.ts";
import {
  type Consumer,
  type ManagedObject,
  type ObjectId,
  type ObjectInfo,
  objectId,
  type StoredObject,
} from "../model/managed-object.ts";
import { refuseUnknownOptions } from "../model/options.ts";
import { SecretBytes } from "../model/secret-bytes.ts";
import { type Tenant, tenantOf } from "./tenant.ts";

/** For tests: nothing is kept beyond the process. */
export interface MemoryOptions {
  /** Default: the system's clock. */
  readonly now?: (() => Date) | undefined;
  /** Told that nothing here survives the process. Default: a process warning. */
  readonly warn?: ((message: string) => void) | undefined;
}

interface Entry {
  readonly object: StoredObject;
  readonly owner: Tenant;
  access: ReadAccess;
  consumers: readonly Consumer[];
  updated: Date;
}

/** Lengths in bits, as a key manager with a software store has them. */
const symmetricLengths = [64, 128, 192, 256];
const xtsLengths = [128, 256, 384, 512];
const rsaLengths = [2048, 3072, 4096];

/**
 * Keeps objects in this process's memory: for tests of code that uses a
 * `KeyManager`. Everything is lost when the process ends, disks included.
 */
export class MemoryKeyManager implements KeyManager, ConsumerTracking, AccessGrants {
  readonly backend = "memory";
  readonly #entries = new Map<ObjectId, Entry>();
  readonly #now: () => Date;

  constructor(options: MemoryOptions = {}) {
    refuseUnknownOptions("memory", options, ["now", "warn"]);
    this.#now = options.now ?? (() => new Date());
    const warn =
      options.warn ?? ((message: string) => process.emitWarning(message, "ChatelaineWarning"));
    warn("memory key manager: every key is lost when this process ends; it is for tests only");
  }

  async location(caller: Caller): Promise<string> {
    return `${this.backend} project ${tenantOf(caller).project}`;
  }

  async createKey(
    caller: Caller,
    spec: SymmetricKeySpec,
    options: CallOptions = {},
  ): Promise<ObjectId> {
    checkKeySpec("createKey", spec);
    const { algorithm, bitLength, expiration } = spec;
    const mode = spec.mode ?? (algorithm === "aes" && bitLength > 256 ? "xts" : undefined);
    const lengths = mode === "xts" ? xtsLengths : symmetricLengths;
    if (!/^(aes|des|hmacsha(1|256|384|512))$/.test(algorithm) || !lengths.includes(bitLength)) {
      throw unsupported(spec);
    }
    const value = SecretBytes.random(bitLength / 8);
    return this.#put(
      caller,
      { type: "symmetric", name: nameOf(spec), algorithm, mode, expiration, value },
      options,
    );
  }

  async createKeyPair(
    caller: Caller,
    spec: KeyPairSpec,
    options: CallOptions = {},
  ): Promise<KeyPairIds> {
    checkKeySpec("createKeyPair", spec);
    if (spec.algorithm !== "rsa" || !rsaLengths.includes(spec.bitLength)) throw unsupported(spec);
    const pair = generateKeyPairSync("rsa", {
      modulusLength: spec.bitLength,
      privateKeyEncoding: { type: "pkcs8", format: "der" },
      publicKeyEncoding: { type: "spki", format: "der" },
    });
    const attributes = {
      name: nameOf(spec),
      algorithm: spec.algorithm,
      expiration: spec.expiration,
    };
    const put = (type: "private" | "public", der: Uint8Array) =>
      this.#put(caller, { type, ...attributes, value: new SecretBytes(der) }, options);
    return {
      privateKeyId: put("private", pair.privateKey),
      publicKeyId: put("public", pair.publicKey),
    };
  }

  async store(caller: Caller, object: ManagedObject, options: CallOptions = {}): Promise<ObjectId> {
    return this.#put(caller, { ...object, name: nameOf(object) }, options);
  }

  async copy(caller: Caller, id: ObjectId, options: CallOptions = {}): Promise<ObjectId> {
    const source = this.#readable(caller, id, options);
    const copied = this.#put(caller, source.object, options);
    const entry = this.#readable(caller, copied, options);
    entry.access = source.access;
    return copied;
  }

  async get(caller: Caller, id: ObjectId, options: CallOptions = {}): Promise<StoredObject> {
    const { object, consumers, updated } = this.#readable(caller, id, options);
    return { ...object, consumers, updated };
  }

  async describe(caller: Caller, id: ObjectId, options: CallOptions = {}): Promise<ObjectInfo> {
    return infoOf(this.#readable(caller, id, options));
  }

  async *list(
    caller: Caller,
    filter: ListFilter = {},
    options: CallOptions = {},
  ): AsyncIterable<ObjectInfo> {
    refuseAborted(options);
    const { project } = tenantOf(caller);
    for (const entry of this.#entries.values()) {
      const { type, name } = entry.object;
      if (entry.owner.project !== project || this.#isExpired(entry)) continue;
      if (filter.type !== undefined && filter.type !== type) continue;
      if (filter.name !== undefined && filter.name !== name) continue;
      yield infoOf(entry);
    }
  }

  async delete(caller: Caller, id: ObjectId, options: DeleteOptions = {}): Promise<void> {
    const entry = this.#owned(caller, id, options);
    if (entry.consumers.length > 0 && options.force !== true) {
      throw new KeyManagerError(
        "in_use",
        `delete ${id}: consumers still need it: remove them first`,
      );
    }
    this.#entries.delete(objectId(id));
  }

  async addConsumer(
    caller: Caller,
    id: ObjectId,
    consumer: Consumer,
    options: CallOptions = {},
  ): Promise<void> {
    checkConsumer("addConsumer", consumer);
    const entry = this.#readable(caller, id, options);
    if (entry.consumers.some((known) => isSame(known, consumer))) return;
    entry.consumers = [...entry.consumers, consumer];
    entry.updated = this.#now();
  }

  async removeConsumer(
    caller: Caller,
    id: ObjectId,
    consumer: Consumer,
    options: CallOptions = {},
  ): Promise<void> {
    checkConsumer("removeConsumer", consumer);
    const entry = this.#readable(caller, id, options);
    const rest = entry.consumers.filter((known) => !isSame(known, consumer));
    if (rest.length === entry.consumers.length) {
      throw new KeyManagerError("not_found", `consumer of ${id}: it is not registered`);
    }
    entry.consumers = rest;
    entry.updated = this.#now();
  }

  async readAccess(caller: Caller, id: ObjectId, options: CallOptions = {}): Promise<ReadAccess> {
    return this.#owned(caller, id, options).access;
  }

  async setReadAccess(
    caller: Caller,
    id: ObjectId,
    access: ReadAccess,
    options: CallOptions = {},
  ): Promise<void> {
    const entry = this.#owned(caller, id, options);
    entry.access = { projectAccess: access.projectAccess, userIds: [...new Set(access.userIds)] };
    entry.updated = this.#now();
  }

  #put(caller: Caller, object: ManagedObject, options: CallOptions): ObjectId {
    refuseAborted(options);
    checkAttributes("store", object);
    const owner = tenantOf(caller);
    const bitLength = checkedBitLength("store", object);
    if (object.expiration !== undefined && object.expiration <= this.#now()) {
      throw new KeyManagerError("invalid_argument", "store: the expiration is past");
    }
    const now = this.#now();
    const id = objectId(randomUUID());
    const kept = { contentType: "application/octet-stream", ...object, bitLength };
    this.#entries.set(id, {
      object: { ...kept, id, created: now, updated: now, consumers: [] },
      owner,
      access: { projectAccess: true, userIds: [] },
      consumers: [],
      updated: now,
    });
    return id;
  }

  #readable(caller: Caller, id: ObjectId, options: CallOptions): Entry {
    const entry = this.#find(id, options);
    const { project, user } = tenantOf(caller);
    const ownProject = entry.owner.project === project;
    const mayRead =
      entry.access.userIds.includes(user) ||
      (ownProject && (entry.access.projectAccess || entry.owner.user === user));
    if (!mayRead) throw new KeyManagerError("forbidden", `object ${id}: the caller may not see it`);
    return entry;
  }

  #owned(caller: Caller, id: ObjectId, options: CallOptions): Entry {
    const entry = this.#readable(caller, id, options);
    if (entry.owner.project === tenantOf(caller).project) return entry;
    throw new KeyManagerError("forbidden", `object ${id}: the caller may only read it`);
  }

  #find(id: ObjectId, options: CallOptions): Entry {
    refuseAborted(options);
    const entry = this.#entries.get(objectId(id));
    if (entry !== undefined && !this.#isExpired(entry)) return entry;
    throw new KeyManagerError("not_found", `object ${id}: there is none`);
  }

  #isExpired({ object }: Entry): boolean {
    return object.expiration !== undefined && object.expiration <= this.#now();
  }
}

function infoOf({ object, consumers, updated }: Entry): ObjectInfo {
  const { value: _, ...info } = object;
  return { ...info, consumers, updated };
}

function nameOf({ name }: { readonly name?: string | undefined }): string {
  return name ?? `chatelaine-${randomUUID()}`;
}

function isSame(a: Consumer, b: Consumer): boolean {
  return (
    a.service === b.service && a.resourceType === b.resourceType && a.resourceId === b.resourceId
  );
}

function unsupported({
  algorithm,
  bitLength,
}: {
  readonly algorithm: string;
  readonly bitLength: number;
}) {
  return new KeyManagerError(
    "unsupported",
    `generate ${algorithm} of ${bitLength} bits: there is no such key`,
  );
}

function refuseAborted({ signal }: CallOptions): void {
  if (signal?.aborted === true) {
    throw new KeyManagerError("unavailable", "aborted by the caller", { cause: signal.reason });
  }
}
