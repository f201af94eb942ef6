import { isUtf8 } from "node:buffer";
import { open, seal } from "../crypto/seal.ts";
import { payloadContext } from "../keyring/project-keys.ts";
import { formatTimestamp } from "../model/clock.ts";
import type { Principal } from "../model/principal.ts";
import { issueSeen, quotaReached, WireError } from "../model/wire-error.ts";
import type { PolicyRule } from "../policy/rule-names.ts";
import type { PageOf } from "../store/operations/pages.ts";
import { consumersOfSecrets, type SecretConsumer } from "../store/operations/secret-consumers.ts";
import {
  type Condition,
  deleteSecret,
  findSecret,
  findSecretWithPayload,
  insertPayload,
  insertSecret,
  listSecrets,
  type SecretRow,
  type SecretSort,
} from "../store/operations/secrets.ts";
import { authorise, maxItemsOnPage, type ServiceContext, storeSealed } from "./context.ts";
import { checkId } from "./ids.ts";
import { type OwnedRow, targetOf } from "./ownership.ts";

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

/** The life of a secret and of its payload. Inputs come as functions, so that nothing of a body is looked at before the policy has agreed. */
export class SecretService {
  readonly #context: ServiceContext;

  constructor(context: ServiceContext) {
    this.#context = context;
  }

  /** Stores a secret; resolves to its id when it is durable. */
  async create(principal: Principal, input: () => NewSecret): Promise<string> {
    const context = this.#context;
    await authorise(context, principal, "secrets:post", "Secret creation");
    const secret = input();
    const id = context.newId();
    const result = await storeSealed(context, principal.projectId, async () =>
      context.store.write(
        insertSecret,
        {
          ...(await makeSecret(context, principal, id, secret)),
          defaultQuota: context.defaultQuotas.secrets,
        },
        context.audit.entry(principal, "secrets:post", id),
      ),
    );
    if ("refused" in result) throw quotaReached("Secret creation", "secrets");
    return id;
  }

  /** What is known of a secret, without its bytes. */
  async describe(
    principal: Principal,
    id: string,
    withConsumers: boolean,
  ): Promise<{ readonly row: SecretRow; readonly consumers?: readonly SecretConsumer[] }> {
    const row = await this.find(id);
    await this.#authorise(principal, "secret:get", "Secret retrieval", row);
    if (!withConsumers) return { row };
    const one = { ids: [id], max: maxItemsOnPage };
    const { consumers } = await this.#context.store.read(consumersOfSecrets, one);
    return { row, consumers };
  }

  /**
   * The secret's bytes. Every call that gets them leaves an entry in the audit record.
   *
   * @param negotiate Says what the bytes are to be sent as; may throw. If it says undefined, nothing is read and the call
   *   resolves to undefined.
   * @throws WireError 404, 403, or what `negotiate` throws
   */
  async payload(
    principal: Principal,
    id: string,
    negotiate: (stored: StoredPayload) => string | undefined,
  ): Promise<(Payload & { readonly bytes: Buffer }) | undefined> {
    const { store, clock, keys, audit } = this.#context;
    checkId("secret", id);
    const row = await store.read(findSecretWithPayload, { id, now: nowOf(clock.nowMs()) });
    if (!row) throw secretNotFound();
    const { sealed, generation, content_type: contentType } = row;
    await this.#authorise(principal, "secret:decrypt", "Secret payload retrieval", row);
    if (sealed === null || generation === null || contentType === null)
      throw new WireError(404, "Not Found. Sorry but your secret has no payload.");
    const key = await keys.byGeneration(row.project_id, generation);
    const bytes = open(key.sealing, payloadContext(row.project_id, id, contentType), sealed);
    const sentAs = negotiate({ contentType, isText: isUtf8(bytes) });
    if (sentAs === undefined) return undefined;
    await audit.read(audit.entry(principal, "secret:decrypt", id));
    return { bytes, contentType: sentAs };
  }

  /** Gives a secret without payload its payload. */
  async putPayload(
    principal: Principal,
    id: string,
    input: () => Payload | (() => Payload),
  ): Promise<void> {
    const { store, keys, clock, audit } = this.#context;
    const row = await this.find(id);
    await this.#authorise(principal, "secret:put", "Secret update", row);
    const first = input();
    if (row.content_type !== null) throw payloadExists();
    const payload = typeof first === "function" ? first() : first;
    const where = payloadContext(row.project_id, id, payload.contentType);
    const result = await storeSealed(this.#context, row.project_id, async () => {
      const key = await keys.toSeal(row.project_id);
      const sealed = seal(key.sealing, where, payload.bytes);
      return store.write(
        insertPayload,
        {
          id,
          projectId: row.project_id,
          contentType: payload.contentType,
          payload: { generation: key.generation, sealed },
          now: clock.timestamp(),
        },
        audit.entry(principal, "secret:put", id),
      );
    });
    if ("refused" in result) throw payloadExists();
  }

  /**
   * Deletes a secret.
   *
   * @param unlessConsumed Asked after the policy: true refuses (400) while consumers are registered.
   */
  async remove(principal: Principal, id: string, unlessConsumed: () => boolean): Promise<void> {
    const { store, clock, audit, deleteRetentionSeconds } = this.#context;
    const row = await this.find(id);
    await this.#authorise(principal, "secret:delete", "Secret deletion", row);
    const result = await store.write(
      deleteSecret,
      {
        id,
        now: clock.timestamp(),
        retain: deleteRetentionSeconds > 0,
        unlessConsumed: unlessConsumed(),
      },
      audit.entry(principal, "secret:delete", id),
    );
    if (!("refused" in result)) return;
    if (result.refused === "not_found") throw secretNotFound();
    throw issueSeen(
      400,
      "Secret deletion",
      "the secret has consumers; remove them, or say force=true",
    );
  }

  async list(
    principal: Principal,
    query: () => SecretQuery,
    withConsumers: boolean,
  ): Promise<SecretPage> {
    const { store, clock } = this.#context;
    await authorise(this.#context, principal, "secrets:get", "Secret(s) retrieval");
    const { grantedOnly, ...rest } = query();
    const page = await store.read(listSecrets, {
      ...rest,
      scope: grantedOnly ? { grantedTo: principal.userId } : { ownedBy: principal.projectId },
      now: nowOf(clock.nowMs()),
    });
    if (!withConsumers) return page;
    const ids = page.rows.map(({ id }) => id);
    const found = await store.read(consumersOfSecrets, { ids, max: maxItemsOnPage });
    const rows = page.rows.slice(0, found.shown);
    return { ...page, rows, consumers: groupConsumers(found.consumers) };
  }

  /** Finds a live secret, verified. @throws WireError 404 */
  async find(id: string): Promise<SecretRow & OwnedRow> {
    const { store, clock } = this.#context;
    checkId("secret", id);
    const row = await store.read(findSecret, { id, now: nowOf(clock.nowMs()) });
    if (!row) throw secretNotFound();
    return row;
  }

  #authorise(
    principal: Principal,
    rule: PolicyRule,
    operation: string,
    row: OwnedRow,
  ): Promise<void> {
    return authorise(this.#context, principal, rule, operation, targetOf(row, principal), row.id);
  }
}

function groupConsumers(
  found: readonly (SecretConsumer & { readonly secret_id: string })[],
): ReadonlyMap<string, readonly SecretConsumer[]> {
  return Map.groupBy(found, (row) => row.secret_id);
}

/** The rows of a new secret, its payload sealed. */
export async function makeSecret(
  context: ServiceContext,
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

export function secretNotFound(): WireError {
  return new WireError(404, "Not Found. Secret not found.");
}

function payloadExists(): WireError {
  return new WireError(409, "Secret already has data, cannot modify it.");
}

/** For comparisons with stored times, without moving the clock on. */
export function nowOf(nowMs: number): string {
  return formatTimestamp(nowMs * 1000);
}
