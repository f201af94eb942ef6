import { isUtf8 } from "node:buffer";
import { open, seal } from "../crypto/seal.ts";
import { payloadContext } from "../keyring/project-keys.ts";
import { issueSeen, quotaReached, WireError } from "../model/wire-error.ts";
import type { PageOf } from "../store/operations/pages.ts";
import { consumersOfSecrets, type SecretConsumer } from "../store/operations/secret-consumers.ts";
import {
  type Condition,
  deleteSecret,
  insertPayload,
  insertSecret,
  listSecrets,
  type SecretRow,
  type SecretSort,
  type SecretWithPayload,
} from "../store/operations/secrets.ts";
import {
  maxItemsOnPage,
  nowOf,
  type RequestContext,
  type ServiceContext,
  storeSealed,
} from "./context.ts";
import { notFound } from "./not-found.ts";
import type { Permit } from "./permit.ts";

export type { Condition, SecretConsumer, SecretRow, SecretSort };

/** Bytes with their type: what a caller stores and reads back. */
export interface Payload {
  readonly bytes: Uint8Array;
  /** One of the wire's types, parameters cut off: "text/plain", "application/octet-stream", "application/pkcs8". */
  readonly contentType: string;
}

/** What is known of a payload before it is sent. */
export interface StoredPayload {
  /** As in {@link Payload}. */
  readonly contentType: string;
  /** True if the bytes are valid UTF-8. */
  readonly isText: boolean;
}

/** A payload that was read. */
export interface OpenPayload extends StoredPayload {
  readonly bytes: Buffer;
}

export interface NewSecret {
  readonly name: string | null;
  readonly secretType: string;
  readonly algorithm: string | null;
  readonly bitLength: number | null;
  readonly mode: string | null;
  readonly expiration: string | null;
  readonly payload?: Payload;
}

export interface SecretQuery extends PageOf {
  readonly grantedOnly: boolean;
  readonly conditions: readonly Condition[];
  readonly sort: readonly SecretSort[];
}

export interface SecretPage {
  readonly rows: readonly SecretRow[];
  readonly total: number;
  /** How many come before the page. */
  readonly offset: number;
  /** By secret id; a secret without consumers is missing. */
  readonly consumers?: ReadonlyMap<string, readonly SecretConsumer[]>;
}

/** The life of a secret and of its payload. */
export class SecretService {
  readonly #context: RequestContext;

  constructor(context: RequestContext) {
    this.#context = context;
  }

  /** Stores a secret; resolves to its id when it is durable. */
  async create(permit: Permit, secret: NewSecret): Promise<string> {
    const context = this.#context;
    const { principal } = permit;
    const id = context.newId();
    const result = await storeSealed(context, principal.projectId, async () =>
      permit.write(
        insertSecret,
        {
          ...(await makeSecret(context, principal, id, secret)),
          defaultQuota: context.defaultQuotas.secrets,
        },
        id,
      ),
    );
    if ("refused" in result) throw quotaReached("Secret creation", "secrets");
    return id;
  }

  /** The consumers of a secret, as its document lists them. */
  async consumers(_permit: Permit, id: string): Promise<readonly SecretConsumer[]> {
    const one = { ids: [id], max: maxItemsOnPage };
    return (await this.#context.store.read(consumersOfSecrets, one)).consumers;
  }

  /** A secret's bytes, opened. @throws WireError 404 if it has none */
  async payload(_permit: Permit, secret: SecretWithPayload): Promise<OpenPayload> {
    const { id, project_id: projectId, sealed, generation, content_type: contentType } = secret;
    if (sealed === null || generation === null || contentType === null)
      throw new WireError(404, "Not Found. Sorry but your secret has no payload.");
    const key = await this.#context.keys.byGeneration(projectId, generation);
    const bytes = open(key.sealing, payloadContext(projectId, id, contentType), sealed);
    return { bytes, contentType, isText: isUtf8(bytes) };
  }

  /** Gives a secret without payload its payload. @throws WireError 409 if it has one */
  async putPayload(permit: Permit, secret: SecretRow, payload: Payload): Promise<void> {
    const { keys, clock } = this.#context;
    const { id, project_id: projectId } = secret;
    const where = payloadContext(projectId, id, payload.contentType);
    const result = await storeSealed(this.#context, projectId, async () => {
      const key = await keys.toSeal(projectId);
      const sealed = seal(key.sealing, where, payload.bytes);
      return permit.write(insertPayload, {
        id,
        projectId,
        contentType: payload.contentType,
        payload: { generation: key.generation, sealed },
        now: clock.timestamp(),
      });
    });
    if ("refused" in result) throw payloadExists();
  }

  /**
   * Deletes a secret.
   *
   * @param unlessConsumed true refuses (400) while consumers are registered.
   */
  async remove(permit: Permit, id: string, unlessConsumed: boolean): Promise<void> {
    const { clock, deleteRetentionSeconds } = this.#context;
    const result = await permit.write(deleteSecret, {
      id,
      now: clock.timestamp(),
      retain: deleteRetentionSeconds > 0,
      unlessConsumed,
    });
    if (!("refused" in result)) return;
    if (result.refused === "not_found") throw notFound("Secret");
    throw issueSeen(
      400,
      "Secret deletion",
      "the secret has consumers; remove them, or say force=true",
    );
  }

  async list(permit: Permit, query: SecretQuery, withConsumers: boolean): Promise<SecretPage> {
    const { store, clock } = this.#context;
    const { userId, projectId } = permit.principal;
    const { grantedOnly, ...rest } = query;
    const page = await store.read(listSecrets, {
      ...rest,
      scope: grantedOnly ? { grantedTo: userId } : { ownedBy: projectId },
      now: nowOf(clock),
    });
    if (!withConsumers) return page;
    const ids = page.rows.map(({ id }) => id);
    const found = await store.read(consumersOfSecrets, { ids, max: maxItemsOnPage });
    const rows = page.rows.slice(0, found.shown);
    return { ...page, rows, consumers: groupConsumers(found.consumers) };
  }
}

function groupConsumers(
  found: readonly (SecretConsumer & { readonly secret_id: string })[],
): ReadonlyMap<string, readonly SecretConsumer[]> {
  return Map.groupBy(found, (row) => row.secret_id);
}

/** The rows of a new secret, its payload sealed. */
export async function makeSecret(
  context: Pick<ServiceContext, "clock" | "keys">,
  owner: { readonly projectId: string; readonly userId: string },
  id: string,
  secret: NewSecret,
): Promise<{ row: SecretRow; payload?: { generation: number; sealed: Uint8Array } }> {
  const now = context.clock.timestamp();
  const row = {
    id,
    project_id: owner.projectId,
    creator_id: owner.userId,
    name: secret.name,
    secret_type: secret.secretType,
    algorithm: secret.algorithm,
    bit_length: secret.bitLength,
    mode: secret.mode,
    expiration: secret.expiration,
    created: now,
    updated: now,
    content_type: secret.payload?.contentType ?? null,
    acl: null,
    deleted: null,
  };
  if (!secret.payload) return { row };
  const key = await context.keys.toSeal(owner.projectId);
  const where = payloadContext(owner.projectId, id, secret.payload.contentType);
  const sealed = seal(key.sealing, where, secret.payload.bytes);
  return { row, payload: { generation: key.generation, sealed } };
}

/** 409: a payload is given once. */
export function payloadExists(): WireError {
  return new WireError(409, "Secret already has data, cannot modify it.");
}
