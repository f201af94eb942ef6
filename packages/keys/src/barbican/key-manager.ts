import { randomUUID } from "node:crypto";
import { setTimeout as platformSleep } from "node:timers/promises";
import { checkConsumer, checkKeySpec } from "../model/attributes.ts";
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
import {
  type Consumer,
  type ManagedObject,
  type ObjectId,
  type ObjectInfo,
  objectId,
  type StoredObject,
} from "../model/managed-object.ts";
import { BarbicanClient } from "./client/client.ts";
import type { ContainerDocument } from "./client/containers.ts";
import type { BarbicanOptions } from "./client/options.ts";
import { allPages } from "./client/page.ts";
import { isText } from "./client/secrets.ts";
import { Generation } from "./generation.ts";
import { listSecrets } from "./listing.ts";
import { type Named, Residue } from "./residue.ts";
import {
  likeSecret,
  maxOneStepBytes,
  objectBytes,
  objectInfo,
  octetStream,
  type WireObject,
  wireObject,
} from "./translation.ts";

/**
 * Keeps objects in Barbican, or in whatever speaks its API.
 *
 * This file translates: what a call means is in `KeyManager`, what crosses the
 * wire in `client/`, how leftovers are removed in `residue.ts`.
 */
export class BarbicanKeyManager implements KeyManager, ConsumerTracking, AccessGrants {
  readonly backend = "barbican";
  /** The REST client underneath, for what a key manager has no word for: containers, quotas, secret stores. */
  readonly client: BarbicanClient;
  readonly #residue: Residue;
  readonly #generation: Generation;

  /** @throws `invalid_argument` */
  constructor(options: BarbicanOptions = {}) {
    this.client = new BarbicanClient(options);
    const sleep =
      options.sleep ??
      (async (ms: number, signal?: AbortSignal) => {
        await platformSleep(ms, undefined, signal === undefined ? {} : { signal });
      });
    const warn =
      options.warn ?? ((message: string) => process.emitWarning(message, "ChatelaineWarning"));
    this.#residue = new Residue({ client: this.client, sleep, warn });
    this.#generation = new Generation({
      client: this.client,
      residue: this.#residue,
      orderTimeoutMs: options.orderTimeoutMs ?? 60_000,
      sleep,
      random: options.random ?? Math.random,
      now: options.now ?? (() => new Date()),
    });
  }

  async location(caller: Caller): Promise<string> {
    const { connection } = this.client;
    const endpoint = await connection.endpoint(caller);
    const { projectId } = await connection.identify(caller);
    return `${endpoint} project ${projectId ?? "of a given token"}`;
  }

  /** Three requests: the order, its result, its deletion. */
  async createKey(
    caller: Caller,
    spec: SymmetricKeySpec,
    options: CallOptions = {},
  ): Promise<ObjectId> {
    checkKeySpec("createKey", spec);
    const { algorithm, bitLength, expiration } = spec;
    // Barbican's stores reject a 512-bit key unless mode xts says that it is two keys.
    const mode = spec.mode ?? (/^aes$/i.test(algorithm) && bitLength > 256 ? "xts" : undefined);
    const { name, nameIsUnique } = named(spec);
    return this.#generation.run(
      caller,
      { type: "key", meta: { name, algorithm, bitLength, mode, expiration }, nameIsUnique },
      async (order) => {
        if (order.secretId !== undefined) return order.secretId;
        throw new KeyManagerError(
          "bad_response",
          `order ${order.id}: it is done but names no secret`,
        );
      },
      options.signal,
    );
  }

  async createKeyPair(
    caller: Caller,
    spec: KeyPairSpec,
    options: CallOptions = {},
  ): Promise<KeyPairIds> {
    checkKeySpec("createKeyPair", spec);
    const { algorithm, bitLength, expiration } = spec;
    const { name, nameIsUnique } = named(spec);
    return this.#generation.run(
      caller,
      { type: "asymmetric", meta: { name, algorithm, bitLength, expiration }, nameIsUnique },
      async (order) => {
        const id = order.containerId;
        if (id === undefined) {
          throw new KeyManagerError(
            "bad_response",
            `order ${order.id}: it is done but names no container`,
          );
        }
        const container = await this.client.containers.get(caller, id, options);
        const pair = {
          privateKeyId: memberOf(container, "private_key"),
          publicKeyId: memberOf(container, "public_key"),
        };
        await this.#residue.forgetContainer(caller, id);
        return pair;
      },
      options.signal,
    );
  }

  /** One request; two for text and for what is too large for one. */
  async store(caller: Caller, object: ManagedObject, options: CallOptions = {}): Promise<ObjectId> {
    const name = object.name ?? uniqueName();
    const { secret, payload } = wireObject("store", object, name);
    return this.#register(
      caller,
      { secret, payload, name, nameIsUnique: object.name === undefined },
      options,
    );
  }

  /**
   * Barbican cannot copy, so the bytes pass through this process, as they are on
   * the wire. User metadata goes along, and who may read, where the caller may
   * see that; both are in place before the bytes are.
   */
  async copy(caller: Caller, id: ObjectId, options: CallOptions = {}): Promise<ObjectId> {
    const checked = objectId(id);
    const [source, bytes, metadata, access] = await Promise.all([
      this.client.secrets.get(caller, checked, options),
      this.client.secrets.payload(caller, checked, options),
      this.client.secretMetadata.all(caller, checked, options),
      this.readAccess(caller, checked, options).catch((error: unknown) => {
        if (error instanceof KeyManagerError && error.code === "forbidden") return undefined;
        throw error;
      }),
    ]);
    const name = source.name ?? uniqueName();
    const hasMetadata = Object.keys(metadata).length > 0;
    const hasGrants =
      access !== undefined && !(access.projectAccess && access.userIds.length === 0);
    const prepare = async (copied: ObjectId) => {
      if (hasMetadata) await this.client.secretMetadata.replace(caller, copied, metadata, options);
      if (hasGrants) await this.setReadAccess(caller, copied, access, options);
    };
    return this.#register(
      caller,
      {
        secret: likeSecret(`copy ${checked}`, source, name),
        payload: { bytes, contentType: source.contentType ?? octetStream },
        name,
        nameIsUnique: source.name === undefined,
        prepare: hasMetadata || hasGrants ? prepare : undefined,
      },
      options,
    );
  }

  /** Two requests at once: one round trip. */
  async get(caller: Caller, id: ObjectId, options: CallOptions = {}): Promise<StoredObject> {
    const checked = objectId(id);
    const [info, payload] = await Promise.all([
      this.describe(caller, checked, options),
      this.client.secrets.payload(caller, checked, options),
    ]);
    return { ...info, value: objectBytes(info.type, payload) };
  }

  async describe(caller: Caller, id: ObjectId, options: CallOptions = {}): Promise<ObjectInfo> {
    const document = await this.client.secrets.get(caller, objectId(id), options);
    const info = objectInfo(`GET secrets/${document.id}`, document);
    // Before microversion 1.1 an object does not say who needs it.
    if (document.consumers !== undefined) return info;
    return { ...info, consumers: await this.#consumersOf(caller, document.id, options) };
  }

  async *list(
    caller: Caller,
    filter: ListFilter = {},
    options: CallOptions = {},
  ): AsyncIterable<ObjectInfo> {
    for await (const document of listSecrets(this.client.secrets, caller, filter, options)) {
      yield objectInfo("GET secrets", document);
    }
  }

  async #register(caller: Caller, registration: Registration, options: CallOptions) {
    const { secret, payload, prepare } = registration;
    const isTextual = isText(payload.contentType);
    // Barbican strips white space off text in a JSON body, so text goes in a body of its own.
    const oneStep = prepare === undefined && !isTextual && payload.bytes.length <= maxOneStepBytes;
    let id: ObjectId;
    try {
      id = await this.client.secrets.create(
        caller,
        oneStep ? { ...secret, payload } : secret,
        options,
      );
    } catch (error) {
      throw await this.#residue.sweep(caller, registration, error);
    }
    if (oneStep) return id;
    try {
      await prepare?.(id);
      // The second step knows two content types.
      const contentType = isTextual ? payload.contentType : octetStream;
      await this.client.secrets.putPayload(
        caller,
        id,
        { bytes: payload.bytes, contentType },
        options,
      );
      return id;
    } catch (error) {
      throw await this.#residue.discardSecret(caller, id, error);
    }
  }

  /**
   * From microversion 1.2 the server itself refuses to delete what consumers
   * need. Before, they are looked up first, in one more request.
   */
  async delete(caller: Caller, id: ObjectId, options: DeleteOptions = {}): Promise<void> {
    const checked = objectId(id);
    const { force, signal } = options;
    const guarded =
      force === true || (await this.client.connection.microversion(caller, signal)) === "1.2";
    if (!guarded && (await this.#consumersOf(caller, checked, { signal })).length > 0) {
      throw inUse(checked);
    }
    try {
      await this.client.secrets.delete(caller, checked, { force, signal });
    } catch (cause) {
      const refused = guarded && force !== true && cause instanceof KeyManagerError;
      if (refused && cause.code === "invalid_argument") throw inUse(checked, cause);
      throw cause;
    }
  }

  async #consumersOf(
    caller: Caller,
    id: ObjectId,
    { signal }: CallOptions,
  ): Promise<readonly Consumer[]> {
    const { secretConsumers } = this.client;
    try {
      return await allPages((page) => secretConsumers.list(caller, id, page, { signal }));
    } catch (error) {
      // A Barbican from before secrets had consumers has no such call.
      if (error instanceof KeyManagerError && error.code === "unsupported") return [];
      throw error;
    }
  }

  async addConsumer(
    caller: Caller,
    id: ObjectId,
    consumer: Consumer,
    options: CallOptions = {},
  ): Promise<void> {
    checkConsumer("addConsumer", consumer);
    await this.client.secretConsumers.add(caller, objectId(id), consumer, options);
  }

  async removeConsumer(
    caller: Caller,
    id: ObjectId,
    consumer: Consumer,
    options: CallOptions = {},
  ): Promise<void> {
    checkConsumer("removeConsumer", consumer);
    await this.client.secretConsumers.remove(caller, objectId(id), consumer, options);
  }

  async readAccess(caller: Caller, id: ObjectId, options: CallOptions = {}): Promise<ReadAccess> {
    return this.client.secretAcls.get(caller, objectId(id), options);
  }

  async setReadAccess(
    caller: Caller,
    id: ObjectId,
    access: ReadAccess,
    options: CallOptions = {},
  ): Promise<void> {
    await this.client.secretAcls.replace(caller, objectId(id), access, options);
  }
}

/** What is to be registered with Barbican. */
interface Registration extends WireObject, Named {
  /** Done before the secret has its bytes. */
  readonly prepare?: ((id: ObjectId) => Promise<void>) | undefined;
}

function named(spec: {
  readonly name?: string | undefined;
  readonly nameIsUnique?: boolean | undefined;
}) {
  return spec.name === undefined
    ? { name: uniqueName(), nameIsUnique: true }
    : { name: spec.name, nameIsUnique: spec.nameIsUnique === true };
}

/** Makes an object findable if its reference was lost in transit. Python clients also fetch named objects 8 × faster. */
function uniqueName(): string {
  return `chatelaine-${randomUUID()}`;
}

function memberOf(container: ContainerDocument, name: string): ObjectId {
  const member = container.members.find((candidate) => candidate.name === name);
  if (member !== undefined) return member.secretId;
  throw new KeyManagerError("bad_response", `container ${container.id}: it has no ${name}`);
}

function inUse(id: ObjectId, cause?: unknown): KeyManagerError {
  return new KeyManagerError(
    "in_use",
    `delete ${id}: consumers still need it: remove them first, or force the deletion`,
    { cause },
  );
}
