import { randomUUID } from "node:crypto";
import type { AuditTrail } from "../audit/audit-trail.ts";
import { openAudit } from "../audit/open-audit.ts";
import type { RootKeyRing } from "../crypto/root-key/ring.ts";
import { ProjectKeys } from "../keyring/project-keys.ts";
import { admitRootKeys } from "../keyring/system-keys.ts";
import type { Clock } from "../model/clock.ts";
import type { Policy } from "../policy/policy.ts";
import { openRowTags, type RowTagsOptions } from "../row-tagging/open-row-tags.ts";
import { defaultLimits, type ObjectLimits, type ServiceContext } from "../services/context.ts";
import type { QuotaKind } from "../store/operations/quotas.ts";
import type { Store } from "../store/store.ts";

export interface ContextParts {
  readonly store: Store;
  readonly rootKeys: RootKeyRing;
  readonly clock: Clock;
  readonly policy: Policy;
  readonly audit: AuditTrail;
  readonly defaultQuotas?: Partial<Record<QuotaKind, number>>;
  readonly limits?: Partial<ObjectLimits>;
  readonly maxSealsOfKey?: number;
  readonly deleteRetentionSeconds?: number;
  readonly rowTags?: RowTagsOptions;
}

/**
 * Checks the root keys, starts the audit record and the tags of rows, and puts together what services need.
 *
 * @throws RootKeyError; `untagged_rows` if rows have no tags, or the audit record has the format of an older version, and
 *   may not be upgraded
 */
export async function createContext(parts: ContextParts): Promise<ServiceContext> {
  const { store, rootKeys, clock } = parts;
  await admitRootKeys(store, rootKeys, clock);
  const { current } = await openAudit(store, rootKeys, parts.rowTags?.untaggedRows === "tag");
  await store.startAudit(current);
  await openRowTags(store, rootKeys, clock, parts.rowTags);
  return {
    store,
    clock,
    policy: parts.policy,
    audit: parts.audit,
    keys: new ProjectKeys({
      store,
      rootKeys,
      clock,
      ...(parts.maxSealsOfKey !== undefined && { maxSeals: parts.maxSealsOfKey }),
    }),
    newId: randomUUID,
    defaultQuotas: {
      secrets: -1,
      orders: -1,
      containers: -1,
      consumers: -1,
      cas: -1,
      ...parts.defaultQuotas,
    },
    limits: { ...defaultLimits, ...parts.limits },
    deleteRetentionSeconds: parts.deleteRetentionSeconds ?? 0,
  };
}
