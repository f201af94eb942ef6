import type { ServerConfig } from "../config/config.ts";
import type { CountedKind } from "../store/operations/quotas.ts";

/** What a project may have if no quotas are set for it. Negative: unlimited. */
export function defaultQuotas(config: ServerConfig): Readonly<Record<CountedKind, number>> {
  return {
    secrets: config.integer("quotas.secrets"),
    orders: config.integer("quotas.orders"),
    containers: config.integer("quotas.containers"),
    consumers: config.integer("quotas.consumers"),
  };
}
