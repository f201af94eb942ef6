import type { AuditTrail } from "../audit/audit-trail.ts";
import type { ProjectKeys } from "../keyring/project-keys.ts";
import { type Clock, formatTimestamp } from "../model/clock.ts";
import { unavailable } from "../model/wire-error.ts";
import type { Policy } from "../policy/policy.ts";
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

/** What a service that answers requests is made with: it reads by itself, and writes through a `Permit` alone. */
export type RequestContext = Omit<ServiceContext, "store" | "policy" | "audit"> & {
  readonly store: Pick<Store, "read">;
};

/** For comparisons with stored times, without moving the clock on. */
export function nowOf(clock: Clock): string {
  return formatTimestamp(clock.nowMs() * 1000);
}

/** A rotation that runs again and again this fast is no rotation. */
const maxSealAttempts = 5;

/**
 * Seals and stores; seals again if the project's key was retired in between, as
 * when another process rotates it.
 */
export async function storeSealed<R extends object>(
  context: Pick<ServiceContext, "keys">,
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
