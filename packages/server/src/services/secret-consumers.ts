import { objectFull, quotaReached, WireError } from "../model/wire-error.ts";
import {
  addSecretConsumer,
  listSecretConsumers,
  removeSecretConsumer,
  type SecretConsumer,
  type SecretConsumerRow,
} from "../store/operations/secret-consumers.ts";
import type { SecretRow } from "../store/operations/secrets.ts";
import type { RequestContext } from "./context.ts";
import { notFound } from "./not-found.ts";
import type { Permit } from "./permit.ts";

export type { SecretConsumer, SecretConsumerRow };

export interface ConsumedSecret {
  readonly row: SecretRow;
  readonly consumers: readonly SecretConsumer[];
}

/** Who needs a secret. */
export class SecretConsumerService {
  readonly #context: RequestContext;

  constructor(context: RequestContext) {
    this.#context = context;
  }

  list(
    _permit: Permit,
    secretId: string,
    page: { readonly limit: number; readonly offset: number },
  ): Promise<{ readonly rows: readonly SecretConsumerRow[]; readonly total: number }> {
    return this.#context.store.read(listSecretConsumers, { secretId, ...page });
  }

  async add(permit: Permit, row: SecretRow, consumer: SecretConsumer): Promise<ConsumedSecret> {
    const { clock, defaultQuotas, limits } = this.#context;
    const now = clock.timestamp();
    const result = await permit.write(addSecretConsumer, {
      secretId: row.id,
      projectId: permit.principal.projectId,
      consumer,
      now,
      defaultQuota: defaultQuotas.consumers,
      maxItems: limits.itemsPerObject,
    });
    if (!("refused" in result)) return { row: { ...row, updated: now }, ...result };
    if (result.refused === "too_many") throw objectFull("Consumer creation", "secret", "consumers");
    throw result.refused === "quota"
      ? quotaReached("Consumer creation", "consumers")
      : notFound("Secret");
  }

  async remove(permit: Permit, row: SecretRow, consumer: SecretConsumer): Promise<ConsumedSecret> {
    const now = this.#context.clock.timestamp();
    const result = await permit.write(removeSecretConsumer, {
      secretId: row.id,
      ownerProjectId: row.project_id,
      projectId: permit.principal.projectId,
      consumer,
      now,
    });
    if (!("refused" in result)) return { row: { ...row, updated: now }, ...result };
    throw consumerStays(result.refused);
  }
}

/** 404 or 403: why a consumer is not removed. */
export function consumerStays(reason: "not_found" | "not_owner"): WireError {
  return reason === "not_found"
    ? notFound("Consumer")
    : new WireError(403, "Consumer deletion is not allowed: another project registered it.");
}
