import type { Principal } from "../model/principal.ts";
import { objectFull, quotaReached, WireError } from "../model/wire-error.ts";
import type { PolicyRule } from "../policy/rule-names.ts";
import {
  addSecretConsumer,
  listSecretConsumers,
  removeSecretConsumer,
  type SecretConsumer,
  type SecretConsumerRow,
} from "../store/operations/secret-consumers.ts";
import type { SecretRow } from "../store/operations/secrets.ts";
import { authorise, type ServiceContext } from "./context.ts";
import { targetOf } from "./ownership.ts";
import { type SecretService, secretNotFound } from "./secrets.ts";

export type { SecretConsumer, SecretConsumerRow, SecretRow };

export interface ConsumedSecret {
  readonly row: SecretRow;
  readonly consumers: readonly SecretConsumer[];
}

/** Who needs a secret. */
export class SecretConsumerService {
  readonly #context: ServiceContext;
  readonly #secrets: SecretService;

  constructor(context: ServiceContext, secrets: SecretService) {
    this.#context = context;
    this.#secrets = secrets;
  }

  async list(
    principal: Principal,
    secretId: string,
    page: () => { readonly limit: number; readonly offset: number },
  ): Promise<{ readonly rows: readonly SecretConsumerRow[]; readonly total: number }> {
    await this.#authorise(principal, secretId, "secret_consumers:get", "Consumers retrieval");
    return this.#context.store.read(listSecretConsumers, { secretId, ...page() });
  }

  async add(
    principal: Principal,
    secretId: string,
    input: () => SecretConsumer,
  ): Promise<ConsumedSecret> {
    const rule = "secret_consumers:post";
    const row = await this.#authorise(principal, secretId, rule, "Consumer creation");
    const { store, audit, clock, defaultQuotas, limits } = this.#context;
    const now = clock.timestamp();
    const result = await store.write(
      addSecretConsumer,
      {
        secretId,
        projectId: principal.projectId,
        consumer: input(),
        now,
        defaultQuota: defaultQuotas.consumers,
        maxItems: limits.itemsPerObject,
      },
      audit.entry(principal, rule, secretId),
    );
    if (!("refused" in result)) return { row: { ...row, updated: now }, ...result };
    if (result.refused === "too_many") throw objectFull("Consumer creation", "secret", "consumers");
    throw result.refused === "quota"
      ? quotaReached("Consumer creation", "consumers")
      : secretNotFound();
  }

  async remove(
    principal: Principal,
    secretId: string,
    input: () => SecretConsumer,
  ): Promise<ConsumedSecret> {
    const rule = "secret_consumers:delete";
    const row = await this.#authorise(principal, secretId, rule, "Consumer deletion");
    const { store, audit, clock } = this.#context;
    const now = clock.timestamp();
    const result = await store.write(
      removeSecretConsumer,
      {
        secretId,
        ownerProjectId: row.project_id,
        projectId: principal.projectId,
        consumer: input(),
        now,
      },
      audit.entry(principal, rule, secretId),
    );
    if (!("refused" in result)) return { row: { ...row, updated: now }, ...result };
    throw refusal(result.refused);
  }

  async #authorise(
    principal: Principal,
    secretId: string,
    rule: PolicyRule,
    operation: string,
  ): Promise<SecretRow> {
    const row = await this.#secrets.find(secretId);
    await authorise(this.#context, principal, rule, operation, targetOf(row, principal), secretId);
    return row;
  }
}

/** 404 or 403: why a consumer stays. */
export function refusal(reason: "not_found" | "not_owner"): WireError {
  return reason === "not_found"
    ? new WireError(404, "Not Found. Consumer not found.")
    : new WireError(403, "Consumer deletion is not allowed: another project registered it.");
}
