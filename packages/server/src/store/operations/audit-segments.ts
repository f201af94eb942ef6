import { auditKeyNames, sealMac } from "../../audit/chain/audit-keys.ts";
import {
  type SegmentRow,
  type UpgradeFields,
  type UpgradeRow,
  upgradeRow,
} from "../../audit/chain/audit-segment.ts";
import { all, one, operation, run } from "../operation.ts";
import { lastEntry } from "./audit.ts";
import type { SystemKeyRow } from "./keys.ts";

const columns = `chain, number, format, first_sequence, last_sequence, previous, head, bytes,
  first_at, last_at, sealed, exported, digest, removed, mac`;

/**
 * Begins format 2: keeps its key, and records where each chain of format 1 ends. Both or neither, and once: where the
 * key is there already, nothing is done.
 *
 * @param p.key what `p.row` wraps
 */
export const upgradeAudit = operation(
  import.meta.url,
  "upgradeAudit",
  function* (p: { readonly row: SystemKeyRow; readonly key: Uint8Array }) {
    const known = yield* one("SELECT 1 AS one FROM system_keys WHERE name = ?", p.row.name);
    if (known) return;
    // Of two nodes that come here together, one fails, tries again, and finds the other's.
    yield* run(
      "INSERT INTO system_keys (name, root_key_id, wrapped) VALUES (?, ?, ?)",
      p.row.name,
      p.row.root_key_id,
      p.row.wrapped,
    );
    const mac = sealMac(p.key);
    for (let after: string | undefined; ; ) {
      const next: { readonly chain: string | null } | undefined =
        after === undefined
          ? yield* one<{ readonly chain: string | null }>("SELECT MIN(chain) AS chain FROM audit")
          : yield* one<{ readonly chain: string | null }>(
              "SELECT MIN(chain) AS chain FROM audit WHERE chain > ?",
              after,
            );
      const chain = next?.chain ?? undefined;
      if (chain === undefined) return;
      after = chain;
      const last = yield* lastEntry(chain);
      if (!last) continue;
      const fields: UpgradeFields = { chain, last_sequence: last.sequence, head: last.mac };
      const row = upgradeRow(mac, fields);
      yield* run(
        "INSERT INTO audit_upgrades (chain, last_sequence, head, mac) VALUES (?, ?, ?, ?)",
        row.chain,
        row.last_sequence,
        row.head,
        row.mac,
      );
    }
  },
);

/** True if there is an entry of the audit record, and no key of format 2: an older version wrote it. */
export const needsAuditUpgrade = operation(import.meta.url, "needsAuditUpgrade", function* () {
  const key = yield* one("SELECT 1 AS one FROM system_keys WHERE name = ?", auditKeyNames.current);
  if (key) return false;
  return (yield* one("SELECT 1 AS one FROM audit LIMIT 1")) !== undefined;
});

export const findAuditUpgrade = operation(
  import.meta.url,
  "findAuditUpgrade",
  function* (p: { readonly chain: string }) {
    return yield* one<UpgradeRow>(
      "SELECT chain, last_sequence, head, mac FROM audit_upgrades WHERE chain = ?",
      p.chain,
    );
  },
);

/** Segments in the order of their numbers, after one of them. */
export const listSegments = operation(
  import.meta.url,
  "listSegments",
  function* (p: { readonly chain: string; readonly after: number; readonly limit: number }) {
    return yield* all<SegmentRow>(
      `SELECT ${columns} FROM audit_segments WHERE chain = ? AND number > ? ORDER BY number LIMIT ?`,
      p.chain,
      p.after,
      p.limit,
    );
  },
);

/** A chain's last segment. */
export const findLastSegment = operation(
  import.meta.url,
  "findLastSegment",
  function* (p: { readonly chain: string }) {
    return yield* one<SegmentRow>(
      `SELECT ${columns} FROM audit_segments WHERE chain = ? ORDER BY number DESC LIMIT 1`,
      p.chain,
    );
  },
);

/** A chain's last removed segment. */
export const findLastRemoved = operation(
  import.meta.url,
  "findLastRemoved",
  function* (p: { readonly chain: string }) {
    return yield* one<SegmentRow>(
      `SELECT ${columns} FROM audit_segments WHERE chain = ? AND removed IS NOT NULL
       ORDER BY number DESC LIMIT 1`,
      p.chain,
    );
  },
);

/** What an open part of a chain holds: at most `limit` entries after one. */
export const measureEntries = operation(
  import.meta.url,
  "measureEntries",
  function* (p: { readonly chain: string; readonly after: number; readonly limit: number }) {
    const row = yield* one<{
      readonly entries: number;
      readonly bytes: number;
      readonly last: number | null;
    }>(
      `SELECT CAST(COUNT(*) AS INTEGER) AS entries, MAX(sequence) AS last,
         CAST(COALESCE(SUM(OCTET_LENGTH(line)), 0) AS INTEGER) AS bytes
       FROM (SELECT sequence, line FROM audit
             WHERE chain = ? AND sequence > ? AND sequence <= ${Number.MAX_SAFE_INTEGER}
             ORDER BY sequence LIMIT ?) AS part`,
      p.chain,
      p.after,
      p.limit,
    );
    return { entries: row?.entries ?? 0, bytes: row?.bytes ?? 0, last: row?.last ?? p.after };
  },
);

/** Adds a segment unless another node did; resolves to whether it did. */
export const insertSegment = operation(
  import.meta.url,
  "insertSegment",
  function* (p: { readonly row: SegmentRow }) {
    const { row } = p;
    const added = yield* run(
      `INSERT INTO audit_segments (${columns})
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      row.chain,
      row.number,
      row.format,
      row.first_sequence,
      row.last_sequence,
      row.previous,
      row.head,
      row.bytes,
      row.first_at,
      row.last_at,
      row.sealed,
      row.exported,
      row.digest,
      row.removed,
      row.mac,
    );
    return added === 1;
  },
);

/** Records that segments were exported or removed: all of them, or none if one is no longer what it was. */
export const markSegments = operation(
  import.meta.url,
  "markSegments",
  function* (p: {
    readonly rows: readonly { readonly before: Uint8Array; readonly row: SegmentRow }[];
  }) {
    for (const { before, row } of p.rows) {
      const changed = yield* run(
        `UPDATE audit_segments SET exported = ?, digest = ?, removed = ?, mac = ?
         WHERE chain = ? AND number = ? AND mac = ?`,
        row.exported,
        row.digest,
        row.removed,
        row.mac,
        row.chain,
        row.number,
        before,
      );
      if (changed !== 1) return { refused: "changed" as const };
    }
    return {};
  },
);

/** How many segments are in the database, by whether a file has them. */
export const countSegments = operation(import.meta.url, "countSegments", function* () {
  const row = yield* one<{ readonly sealed: number; readonly exported: number }>(
    `SELECT CAST(COALESCE(SUM(CASE WHEN exported IS NULL THEN 1 ELSE 0 END), 0) AS INTEGER) AS sealed,
       CAST(COALESCE(SUM(CASE WHEN exported IS NULL THEN 0 ELSE 1 END), 0) AS INTEGER) AS exported
     FROM audit_segments WHERE removed IS NULL`,
  );
  return { sealed: row?.sealed ?? 0, exported: row?.exported ?? 0 };
});
