import type { ContainerConsumer } from "../barbican/client/consumers.ts";
import { allPages } from "../barbican/client/page.ts";
import { isText, type SecretDocument } from "../barbican/client/secrets.ts";
import type { BarbicanKeyManager } from "../barbican/key-manager.ts";
import { listSecrets } from "../barbican/listing.ts";
import { expirationOf, maxOneStepBytes, octetStream } from "../barbican/translation.ts";
import type { Caller } from "../model/caller.ts";
import { KeyManagerError } from "../model/errors.ts";
import type { CallOptions, ReadAccess } from "../model/key-manager.ts";
import type { Consumer, ObjectId } from "../model/managed-object.ts";
import type { SecretBytes } from "../model/secret-bytes.ts";
import {
  type ContainerAdapter,
  type ContainerForm,
  isDefaultAccess,
  type ListedContainer,
  type ListedObject,
  type MigrationAdapter,
  type ObjectContent,
  type ObjectForm,
} from "./migration-adapter.ts";

/** Barbican, or what speaks its API: objects are carried as they are on the wire. */
export class BarbicanAdapter implements MigrationAdapter {
  readonly keeps = "wire";
  readonly keepsUnnamed = true;
  readonly containers: ContainerAdapter;
  readonly #manager: BarbicanKeyManager;
  readonly #caller: Caller;

  constructor(manager: BarbicanKeyManager, caller: Caller) {
    this.#manager = manager;
    this.#caller = caller;
    this.containers = new BarbicanContainers(manager, caller);
  }

  async *list(options: CallOptions): AsyncIterable<ListedObject> {
    const { secrets } = this.#manager.client;
    for await (const document of listSecrets(secrets, this.#caller, {}, options)) {
      yield listed(document);
    }
  }

  async content(object: ListedObject): Promise<ObjectContent> {
    const { secrets, secretMetadata } = this.#manager.client;
    const [bytes, metadata, access, consumers] = await Promise.all([
      secrets.payload(this.#caller, object.id),
      secretMetadata.all(this.#caller, object.id),
      this.#manager.readAccess(this.#caller, object.id),
      this.#consumers(object),
    ]);
    const contentType = object.contentType ?? octetStream;
    return { bytes, contentType, metadata, access, consumers };
  }

  /** With microversion 1.0 lists do not tell consumers. */
  async #consumers(object: ListedObject): Promise<readonly Consumer[]> {
    const version = await this.#manager.client.connection.microversion(this.#caller);
    if (version !== "1.0") return object.consumers;
    return (await this.#manager.describe(this.#caller, object.id)).consumers;
  }

  bytes(id: ObjectId): Promise<SecretBytes> {
    return this.#manager.client.secrets.payload(this.#caller, id);
  }

  refusal(): undefined {
    return undefined;
  }

  create(form: ObjectForm, content: ObjectContent): Promise<ObjectId> {
    const { secrets } = this.#manager.client;
    const payload = isOneStep(content) ? content : undefined;
    return secrets.create(this.#caller, { ...form, payload });
  }

  async complete(id: ObjectId, content: ObjectContent, isNew: boolean): Promise<void> {
    const { secrets, secretMetadata } = this.#manager.client;
    const { bytes, contentType, metadata, access } = content;
    if (Object.keys(metadata).length > 0) {
      await secretMetadata.replace(this.#caller, id, metadata);
    }
    if (!isDefaultAccess(access)) await this.#manager.setReadAccess(this.#caller, id, access);
    const hasBytes = isNew
      ? isOneStep(content)
      : (await secrets.get(this.#caller, id)).contentType !== undefined;
    if (!hasBytes) await secrets.putPayload(this.#caller, id, { bytes, contentType });
  }

  async addConsumers(id: ObjectId, consumers: readonly Consumer[]): Promise<void> {
    for (const consumer of consumers) await this.#manager.addConsumer(this.#caller, id, consumer);
  }

  delete(id: ObjectId): Promise<void> {
    return this.#manager.delete(this.#caller, id, { force: true });
  }
}

/**
 * Text goes in a body of its own, as Barbican strips white space off it in JSON;
 * what not everybody of the project may read gets its bytes after its read grants.
 * The second step knows two content types, so others have to go in one.
 */
function isOneStep({ bytes, contentType, access }: ObjectContent): boolean {
  if (isText(contentType)) return false;
  if (contentType !== octetStream) return true;
  return bytes.length <= maxOneStepBytes && isDefaultAccess(access);
}

function listed(document: SecretDocument): ListedObject {
  const { id, type, name, algorithm, bitLength, mode, contentType, consumers = [] } = document;
  const expiration = expirationOf("GET secrets", document);
  return { id, type, name, algorithm, bitLength, mode, expiration, contentType, consumers };
}

class BarbicanContainers implements ContainerAdapter {
  readonly #manager: BarbicanKeyManager;
  readonly #caller: Caller;

  constructor(manager: BarbicanKeyManager, caller: Caller) {
    this.#manager = manager;
    this.#caller = caller;
  }

  list(options: CallOptions): Promise<readonly ListedContainer[]> {
    const { containers } = this.#manager.client;
    return allPages((page) => containers.list(this.#caller, {}, page, options));
  }

  access(id: ObjectId): Promise<ReadAccess> {
    return this.#manager.client.containerAcls.get(this.#caller, id);
  }

  create(form: ContainerForm): Promise<ObjectId> {
    return this.#manager.client.containers.create(this.#caller, form);
  }

  async complete(
    id: ObjectId,
    access: ReadAccess,
    consumers: readonly ContainerConsumer[],
  ): Promise<void> {
    const { containerAcls, containerConsumers } = this.#manager.client;
    if (!isDefaultAccess(access)) await containerAcls.replace(this.#caller, id, access);
    for (const consumer of consumers) await containerConsumers.add(this.#caller, id, consumer);
  }

  async delete(id: ObjectId): Promise<void> {
    try {
      await this.#manager.client.containers.delete(this.#caller, id);
    } catch (error) {
      if (!(error instanceof KeyManagerError) || error.code !== "not_found") throw error;
    }
  }
}
