import { all, one, operation, run, type Steps } from "../operation.ts";

export interface AuditRow {
  readonly sequence: number;
  readonly line: string;
  readonly mac: Uint8Array;
}

/** The largest number that JavaScript counts with; SQLite holds larger ones, which only a stranger writes. */
const most = Number.MAX_SAFE_INTEGER;

/** The first chain after one, by name, of which there is anything in `audit`, `audit_segments` or `audit_upgrades`. */
export const nextAuditChain = operation(
  import.meta.url,
  "nextAuditChain",
  // One look into each index: DISTINCT would read every entry.
  function* (p: { readonly after: string | null }) {
    const where = p.after === null ? "" : " WHERE chain > ?";
    const args = p.after === null ? [] : [p.after, p.after, p.after];
    const row = yield* one<{ readonly chain: string | null }>(
      `SELECT MIN(chain) AS chain FROM (
         SELECT MIN(chain) AS chain FROM audit${where}
         UNION ALL SELECT MIN(chain) AS chain FROM audit_segments${where}
         UNION ALL SELECT MIN(chain) AS chain FROM audit_upgrades${where}) AS firsts`,
      ...args,
    );
    return row?.chain ?? undefined;
  },
);

/** The first chain after one, by name, that has entries in the database. */
export const nextStoredChain = operation(
  import.meta.url,
  "nextStoredChain",
  function* (p: { readonly after: string | null }) {
    const row = yield* p.after === null
      ? one<{ readonly chain: string | null }>("SELECT MIN(chain) AS chain FROM audit")
      : one<{ readonly chain: string | null }>(
          "SELECT MIN(chain) AS chain FROM audit WHERE chain > ?",
          p.after,
        );
    return row?.chain ?? undefined;
  },
);

/** A part of one chain, in order, after an entry. */
export const readAuditChain = operation(
  import.meta.url,
  "readAuditChain",
  function* (p: { readonly chain: string; readonly after: number; readonly limit: number }) {
    return yield* all<AuditRow>(
      `SELECT sequence, line, mac FROM audit WHERE chain = ? AND sequence > ? AND sequence <= ${most}
       ORDER BY sequence LIMIT ?`,
      p.chain,
      p.after,
      p.limit,
    );
  },
);

/** The newest entries of one chain, newest first, down to one after `after`. */
export const readAuditTail = operation(
  import.meta.url,
  "readAuditTail",
  function* (p: {
    readonly chain: string;
    readonly after: number;
    readonly before: number;
    readonly limit: number;
  }) {
    return yield* all<AuditRow>(
      `SELECT sequence, line, mac FROM audit WHERE chain = ? AND sequence < ? AND sequence > ?
       ORDER BY sequence DESC LIMIT ?`,
      p.chain,
      p.before,
      p.after,
      p.limit,
    );
  },
);

/** The number of a chain's last entry; 0 if there is none. */
export const lastAuditSequence = operation(
  import.meta.url,
  "lastAuditSequence",
  function* (p: { readonly chain: string }) {
    return (yield* lastEntry(p.chain))?.sequence ?? 0;
  },
);

/** True if a chain has entries of numbers that the server never gives: less than 1, or too large. */
export const hasStrayEntries = operation(
  import.meta.url,
  "hasStrayEntries",
  function* (p: { readonly chain: string }) {
    const found = yield* all(
      `SELECT 1 AS one FROM audit WHERE chain = ? AND sequence < 1
       UNION ALL SELECT 1 AS one FROM audit WHERE chain = ? AND sequence > ${most} LIMIT 1`,
      p.chain,
      p.chain,
    );
    return found.length > 0;
  },
);

/** How many entries of a chain have a number up to `through`. */
export const countEntriesThrough = operation(
  import.meta.url,
  "countEntriesThrough",
  function* (p: { readonly chain: string; readonly through: number }) {
    const row = yield* one<{ readonly n: number }>(
      "SELECT CAST(COUNT(*) AS INTEGER) AS n FROM audit WHERE chain = ? AND sequence >= 1 AND sequence <= ?",
      p.chain,
      p.through,
    );
    return row?.n ?? 0;
  },
);

/** Deletes some of a chain's entries with a number up to `through`; resolves to how many. */
export const deleteEntriesThrough = operation(
  import.meta.url,
  "deleteEntriesThrough",
  function* (p: { readonly chain: string; readonly through: number; readonly limit: number }) {
    return yield* run(
      `DELETE FROM audit WHERE chain = ? AND sequence IN (
         SELECT sequence FROM audit WHERE chain = ? AND sequence <= ? ORDER BY sequence LIMIT ?)`,
      p.chain,
      p.chain,
      p.through,
      p.limit,
    );
  },
);

/** The last entry of a chain. */
export function* lastEntry(chain: string): Steps<Omit<AuditRow, "line"> | undefined> {
  return yield* one<Omit<AuditRow, "line">>(
    `SELECT sequence, mac FROM audit WHERE chain = ? AND sequence >= 1 AND sequence <= ${most}
     ORDER BY sequence DESC LIMIT 1`,
    chain,
  );
}
