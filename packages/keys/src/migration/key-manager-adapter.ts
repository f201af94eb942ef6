import { objectBytes, octetStream, wireBytes } from "../barbican/translation.ts";
import type { Caller } from "../model/caller.ts";
import {
  type CallOptions,
  grantsAccess,
  type KeyManager,
  tracksConsumers,
} from "../model/key-manager.ts";
import type { Consumer, ManagedObject, ObjectId } from "../model/managed-object.ts";
import type { SecretBytes } from "../model/secret-bytes.ts";
import {
  isDefaultAccess,
  type ListedObject,
  type MigrationAdapter,
  type ObjectContent,
  type ObjectForm,
  projectReads,
} from "./migration-adapter.ts";

/** Any key manager, with what its interface and its abilities offer. */
export class KeyManagerAdapter implements MigrationAdapter {
  readonly keeps = "object";
  readonly keepsUnnamed = false;
  readonly containers = undefined;
  readonly #manager: KeyManager;
  readonly #caller: Caller;

  constructor(manager: KeyManager, caller: Caller) {
    this.#manager = manager;
    this.#caller = caller;
  }

  async *list(options: CallOptions): AsyncIterable<ListedObject> {
    for await (const info of this.#manager.list(this.#caller, {}, options)) {
      const { id, type, name, algorithm, bitLength, mode, expiration, consumers } = info;
      const contentType = info.contentType ?? octetStream;
      yield { id, type, name, algorithm, bitLength, mode, expiration, contentType, consumers };
    }
  }

  async content(object: ListedObject): Promise<ObjectContent> {
    const [bytes, access] = await Promise.all([
      this.bytes(object.id),
      grantsAccess(this.#manager)
        ? this.#manager.readAccess(this.#caller, object.id)
        : projectReads,
    ]);
    const { contentType = octetStream, consumers } = object;
    return { bytes, contentType, metadata: {}, access, consumers };
  }

  async bytes(id: ObjectId): Promise<SecretBytes> {
    return wireBytes(await this.#manager.get(this.#caller, id));
  }

  refusal({ metadata, access, consumers }: ObjectContent): string | undefined {
    if (Object.keys(metadata).length > 0) return "the target keeps no user metadata";
    if (!isDefaultAccess(access) && !grantsAccess(this.#manager)) {
      return "the target cannot say who may read it";
    }
    if (consumers.length > 0 && !tracksConsumers(this.#manager)) {
      return "the target keeps no consumers";
    }
    return undefined;
  }

  create(form: ObjectForm, { bytes, contentType }: ObjectContent): Promise<ObjectId> {
    const value = objectBytes(form.type, bytes);
    const object: ManagedObject = { ...form, contentType, value };
    return this.#manager.store(this.#caller, object);
  }

  async complete(id: ObjectId, { access }: ObjectContent): Promise<void> {
    if (isDefaultAccess(access) || !grantsAccess(this.#manager)) return;
    await this.#manager.setReadAccess(this.#caller, id, access);
  }

  async addConsumers(id: ObjectId, consumers: readonly Consumer[]): Promise<void> {
    if (!tracksConsumers(this.#manager)) return;
    for (const consumer of consumers) await this.#manager.addConsumer(this.#caller, id, consumer);
  }

  delete(id: ObjectId): Promise<void> {
    return this.#manager.delete(this.#caller, id, { force: true });
  }
}
