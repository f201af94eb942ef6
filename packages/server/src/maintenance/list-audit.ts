import { removedThrough } from "../audit/segment-sealer.ts";
import { type AuditEntry, parseAuditLine } from "../model/audit-entry.ts";
import { nextAuditChain, readAuditTail } from "../store/operations/audit.ts";
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
  let found: readonly AuditEntry[] = [];
  let chain = await store.read(nextAuditChain, { after: null });
  while (chain !== undefined) {
    const tail = await tailOf(store, chain, limit, objectId);
    found = [...found, ...tail].toSorted((a, b) => (a.at < b.at ? -1 : 1)).slice(-limit);
    chain = await store.read(nextAuditChain, { after: chain });
  }
  return found;
}

async function tailOf(
  store: Store,
  chain: string,
  limit: number,
  objectId: string | undefined,
): Promise<readonly AuditEntry[]> {
  const found: AuditEntry[] = [];
  const after = await removedThrough(store, chain);
  for (let before = Number.MAX_SAFE_INTEGER; ; ) {
    const rows = await store.read(readAuditTail, { chain, after, before, limit: batchSize });
    for (const row of rows) {
      const entry = parseAuditLine(row.line);
      if (objectId === undefined || entry.objectId === objectId) found.push(entry);
      if (found.length === limit) return found;
      before = row.sequence;
    }
    if (rows.length < batchSize) return found;
  }
}
