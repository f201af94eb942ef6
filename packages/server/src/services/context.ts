import type { AuditTrail } from "../audit/audit-trail.ts";
import type { ProjectKeys } from "../keyring/project-keys.ts";
import type { Clock } from "../model/clock.ts";
import type { Principal } from "../model/principal.ts";
import { forbidden, unavailable } from "../model/wire-error.ts";
import type { Policy, PolicyTarget } from "../policy/policy.ts";
import type { PolicyRule } from "../policy/rule-names.ts";
import type { QuotaKind } from "../store/operations/quotas.ts";
import type { Store } from "../store/store.ts";

/** How much one project or object may make the server keep. */
export interface ObjectLimits {
  /** Consumers, members, metadata items or ACL users of one secret or container. */
  readonly itemsPerObject: number;
  /** Orders of one project that wait for their key pair. */
  readonly waitingOrders: number;
}

/**
 * How many consumers and members one page of a list shows: it ends sooner with more,
 * but has one object at least.
 */
export const maxItemsOnPage = 1_000;

/** Barbican has no such limits. */
export const defaultLimits: ObjectLimits = { itemsPerObject: 250, waitingOrders: 50 };

/** What every service is made with. */
export interface ServiceContext {
  readonly store: Store;
  readonly keys: ProjectKeys;
  readonly policy: Policy;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  /** A fresh version-4 UUID. */
  readonly newId: () => string;
  /** Negative: unlimited. */
  readonly defaultQuotas: Readonly<Record<QuotaKind, number>>;
  readonly limits: ObjectLimits;
  /** 0: what is deleted is gone at once. */
  readonly deleteRetentionSeconds: number;
}

/**
 * The first act of every service method: asks the policy, and puts a refusal on record.
 *
 * @param operation Its human name, for the reply: "Secret retrieval".
 * @throws WireError 403
 */
export function authorise(
  context: ServiceContext,
  principal: Principal,
  rule: PolicyRule,
  operation: string,
  target: PolicyTarget = {},
  objectId?: string,
): Promise<void> {
  if (context.policy.allows(rule, principal, target)) return allowed;
  return refuse(context, principal, rule, operation, objectId);
}

const allowed = Promise.resolve();

async function refuse(
  { audit }: ServiceContext,
  principal: Principal,
  rule: PolicyRule,
  operation: string,
  objectId: string | undefined,
): Promise<never> {
  await audit.read(audit.entry(principal, rule, objectId, "forbidden"));
  throw forbidden(operation);
}

/** A rotation that runs again and again this fast is no rotation. */
const maxSealAttempts = 5;

/**
 * Seals and stores; seals again if the project's key was retired in between, as
 * when another process rotates it.
 */
export async function storeSealed<R extends object>(
  context: ServiceContext,
  projectId: string,
  attempt: () => Promise<R | { readonly refused: "stale_key" }>,
): Promise<Exclude<R, { readonly refused: "stale_key" }>> {
  for (let times = 0; times < maxSealAttempts; times++) {
    const result = await attempt();
    if (!("refused" in result && result.refused === "stale_key"))
      return result as Exclude<R, { readonly refused: "stale_key" }>;
    context.keys.forget(projectId);
  }
  throw unavailable("The project's key is being rotated.");
}
