import { randomUUID } from "node:crypto";
import { all, one, operation, run, type SqlValue, type Steps } from "../operation.ts";
import {
  columnsOf,
  insertRow,
  type Tagged,
  updateRow,
  verifiedAll,
  verifiedIfAny,
} from "../tagged-rows.ts";
import { fitting, isFull } from "./items.ts";
import { addCount, quotaAllows } from "./quotas.ts";
import { lockSecret } from "./secrets.ts";

/** What needs a secret: a resource of a service. */
export interface SecretConsumer {
  readonly service: string;
  readonly resource_type: string;
  readonly resource_id: string;
}

export interface SecretConsumerRow extends SecretConsumer {
  readonly id: string;
  readonly secret_id: string;
  /** The project that registered it. */
  readonly project_id: string;
  readonly created: string;
  readonly updated: string;
}

const columns = columnsOf("secret_consumers");

export function* consumersOfSecret(secretId: string): Steps<readonly SecretConsumer[]> {
  return yield* consumersWhere("secret_id = ? ORDER BY created, id", secretId);
}

function* consumersWhere(
  where: string,
  ...args: readonly SqlValue[]
): Steps<readonly SecretConsumerRow[]> {
  return yield* verifiedAll(
    "secret_consumers",
    yield* all<Tagged<SecretConsumerRow>>(
      `SELECT ${columns} FROM secret_consumers WHERE ${where}`,
      ...args,
    ),
  );
}

/**
 * The consumers of the first secrets of a list, each with the secret's id. Of more
 * than `max` consumers, only as many secrets are `shown` as have fewer; one at least.
 */
export const consumersOfSecrets = operation(
  import.meta.url,
  "consumersOfSecrets",
  function* (p: { readonly ids: readonly string[]; readonly max: number }) {
    const consumers = yield* consumersOf(p.ids, p.max + 1);
    if (consumers.length <= p.max) return { shown: p.ids.length, consumers };
    const shown = yield* fitting(["secret_consumers"], p.ids, p.max);
    return { shown, consumers: yield* consumersOf(p.ids.slice(0, shown), maxRows) };
  },
);

/** One that is to be changed or removed in this transaction. */
function* lockConsumer(
  secretId: string,
  consumer: SecretConsumer,
): Steps<SecretConsumerRow | undefined> {
  const row = yield* one<Tagged<SecretConsumerRow>>(
    `SELECT ${columns} FROM secret_consumers
     WHERE secret_id = ? AND service = ? AND resource_type = ? AND resource_id = ? /*pg FOR UPDATE */`,
    secretId,
    consumer.service,
    consumer.resource_type,
    consumer.resource_id,
  );
  return yield* verifiedIfAny("secret_consumers", row);
}

/** No limit. */
const maxRows = 2 ** 31 - 1;

function* consumersOf(ids: readonly string[], limit: number): Steps<readonly SecretConsumerRow[]> {
  if (ids.length === 0) return [];
  return yield* consumersWhere(
    `secret_id IN (${ids.map(() => "?").join(", ")}) ORDER BY created, id LIMIT ?`,
    ...ids,
    limit,
  );
}

export const listSecretConsumers = operation(
  import.meta.url,
  "listSecretConsumers",
  function* (p: { readonly secretId: string; readonly limit: number; readonly offset: number }) {
    const rows = yield* consumersWhere(
      "secret_id = ? ORDER BY created, id LIMIT ? OFFSET ?",
      p.secretId,
      p.limit,
      p.offset,
    );
    const total = yield* one<{ n: number }>(
      "SELECT CAST(COUNT(*) AS INTEGER) AS n FROM secret_consumers WHERE secret_id = ?",
      p.secretId,
    );
    return { rows, total: total?.n ?? 0 };
  },
);

/** Registers a consumer, once; the caller's project is charged for it. Resolves to all of the secret's consumers. */
export const addSecretConsumer = operation(
  import.meta.url,
  "addSecretConsumer",
  function* (p: {
    readonly secretId: string;
    readonly projectId: string;
    readonly consumer: SecretConsumer;
    readonly now: string;
    readonly defaultQuota: number;
    /** How many consumers a secret may have. */
    readonly maxItems: number;
  }) {
    const { consumer } = p;
    const secret = yield* lockSecret(p.secretId);
    if (!secret) return { refused: "not_found" as const };
    yield* updateRow("secrets", secret, { updated: p.now });
    if (!(yield* lockConsumer(p.secretId, consumer))) {
      if (yield* isFull("secret_consumers", p.secretId, p.maxItems))
        return { refused: "too_many" as const };
      if (!(yield* quotaAllows(p.projectId, "consumers", p.defaultQuota, p.now)))
        return { refused: "quota" as const };
      yield* insertRow("secret_consumers", {
        id: randomUUID(),
        secret_id: p.secretId,
        project_id: p.projectId,
        service: consumer.service,
        resource_type: consumer.resource_type,
        resource_id: consumer.resource_id,
        created: p.now,
        updated: p.now,
      });
      yield* addCount(p.projectId, "consumers", 1);
    }
    return { consumers: yield* consumersOfSecret(p.secretId) };
  },
);

/**
 * Takes a consumer off. Only the project that registered it, or the secret's, may.
 * Resolves to the secret's remaining consumers.
 */
export const removeSecretConsumer = operation(
  import.meta.url,
  "removeSecretConsumer",
  function* (p: {
    readonly secretId: string;
    readonly ownerProjectId: string;
    readonly projectId: string;
    readonly consumer: SecretConsumer;
    readonly now: string;
  }) {
    const { consumer } = p;
    const secret = yield* lockSecret(p.secretId);
    const found = secret && (yield* lockConsumer(p.secretId, consumer));
    if (!found) return { refused: "not_found" as const };
    if (found.project_id !== p.projectId && p.ownerProjectId !== p.projectId)
      return { refused: "not_owner" as const };
    yield* run("DELETE FROM secret_consumers WHERE id = ?", found.id);
    yield* addCount(found.project_id, "consumers", -1);
    yield* updateRow("secrets", secret, { updated: p.now });
    return { consumers: yield* consumersOfSecret(p.secretId) };
  },
);
