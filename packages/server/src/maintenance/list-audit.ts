import { type AuditEntry, parseAuditLine } from "../audit/audit-entry.ts";
import { listAuditChains, readAuditTail } from "../store/operations/audit.ts";
import type { Store } from "../store/store.ts";

export interface ListAuditOptions {
  /** Only entries about this object. */
  readonly objectId?: string;
  /** Default 50. */
  readonly limit?: number;
}

const batchSize = 1_000;

/** The latest entries of the audit record, of all nodes together, oldest first. */
export async function listAudit(
  store: Store,
  { objectId, limit = 50 }: ListAuditOptions = {},
): Promise<readonly AuditEntry[]> {
  const found: AuditEntry[] = [];
  for (const { chain } of await store.read(listAuditChains, null))
    found.push(...(await tailOf(store, chain, limit, objectId)));
  return found.toSorted((a, b) => (a.at < b.at ? -1 : 1)).slice(-limit);
}

async function tailOf(
  store: Store,
  chain: string,
  limit: number,
  objectId: string | undefined,
): Promise<readonly AuditEntry[]> {
  const found: AuditEntry[] = [];
  for (let before = Number.MAX_SAFE_INTEGER; ; ) {
    const rows = await store.read(readAuditTail, { chain, before, limit: batchSize });
    for (const row of rows) {
      const entry = parseAuditLine(row.line);
      if (objectId === undefined || entry.objectId === objectId) found.push(entry);
      if (found.length === limit) return found;
      before = row.sequence;
    }
    if (rows.length < batchSize) return found;
  }
}
