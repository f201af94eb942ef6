import { all, one, operation, run, type SqlValue, type Steps } from "../operation.ts";
import {
  columnsOf,
  insertRow,
  type Tagged,
  updateRow,
  verifiedAll,
  verifiedIfAny,
} from "../tagged-rows.ts";
import { type PageOf, rowsBefore } from "./pages.ts";

/** What a project may have a number of. `cas` is a remnant that the wire still names. */
export const quotaKinds = ["secrets", "orders", "containers", "consumers", "cas"] as const;
export type QuotaKind = (typeof quotaKinds)[number];
export type CountedKind = Exclude<QuotaKind, "cas">;

/** Null means unset: the configured default holds. Negative is unlimited. */
export type QuotaRow = { readonly [Kind in QuotaKind]: number | null };

/** A project's quotas as they are kept. */
export interface ProjectQuotaRow extends QuotaRow {
  readonly project_id: string;
}

const columns = columnsOf("project_quotas");

function* quotasOf(projectId: string, lock = ""): Steps<Tagged<ProjectQuotaRow> | undefined> {
  const sql = `SELECT ${columns} FROM project_quotas WHERE project_id = ? ${lock}`;
  const row = yield* one<Tagged<ProjectQuotaRow>>(sql, projectId);
  return yield* verifiedIfAny("project_quotas", row);
}

/** Moves a project's count by `delta`. */
export function* addCount(projectId: string, kind: CountedKind, delta: number): Steps<void> {
  yield* run(
    `INSERT INTO counts (project_id, kind, slot, n)
     VALUES (?, ?, 0 /*pg + pg_backend_pid() % 64 */, ?)
     ON CONFLICT (project_id, kind, slot) DO UPDATE SET n = counts.n + excluded.n`,
    projectId,
    kind,
    delta,
  );
}

/** How many there are; of secrets, those that have not expired by `now`. */
export function* countOf(projectId: string, kind: CountedKind, now: string): Steps<number> {
  const { sql, args } = countSql(projectId, kind, now);
  const row = yield* one<{ n: number }>(`SELECT CAST(${sql} AS INTEGER) AS n`, ...args);
  return row?.n ?? 0;
}

interface CountSql {
  readonly sql: string;
  readonly args: readonly SqlValue[];
}

function countSql(projectId: string, kind: CountedKind, now: string): CountSql {
  const total = "(SELECT COALESCE(SUM(n), 0) FROM counts WHERE project_id = ? AND kind = ?)";
  if (kind !== "secrets") return { sql: total, args: [projectId, kind] };
  const expired = `(SELECT COUNT(*) FROM secrets
     WHERE project_id = ? AND expiration IS NOT NULL AND deleted IS NULL AND expiration <= ?)`;
  return { sql: `${total} - ${expired}`, args: [projectId, kind, projectId, now] };
}

/**
 * How many of a kind the project's waiting orders will make: a pair is two secrets,
 * with a passphrase three, in one container. Derived from the orders themselves, so
 * that a deleted or finished order releases its part in the same transaction.
 */
const reservedSql: Partial<Record<CountedKind, string>> = {
  secrets: `(SELECT COUNT(*) * 2 + COUNT(passphrase) FROM orders
     WHERE project_id = ? AND status = 'PENDING')`,
  containers: "(SELECT COUNT(*) FROM orders WHERE project_id = ? AND status = 'PENDING')",
};

/** True if the project may have `adding` more, see {@link quotaInTheWay}. */
export function* quotaAllows(
  projectId: string,
  kind: CountedKind,
  defaultLimit: number,
  now: string,
  adding = 1,
): Steps<boolean> {
  const defaults = { [kind]: defaultLimit };
  return !(yield* quotaInTheWay(projectId, { [kind]: adding }, defaults, now));
}

/**
 * The first kind of which the project may not have so many more; undefined if it may.
 * What its waiting orders will make counts as made. Two at once cannot both take the
 * last place.
 */
export function* quotaInTheWay(
  projectId: string,
  adding: Partial<Record<CountedKind, number>>,
  defaultLimits: Partial<Record<CountedKind, number>>,
  now: string,
): Steps<CountedKind | undefined> {
  const row = yield* quotasOf(projectId);
  for (const [kind, more] of Object.entries(adding) as [CountedKind, number][]) {
    const limit = row?.[kind] ?? defaultLimits[kind] ?? -1;
    if (limit < 0 || more === 0) continue;
    yield* lockProject(projectId);
    if ((yield* usedOf(projectId, kind, now)) + more > limit) return kind;
  }
  return undefined;
}

/** In one statement, so that an order that finishes in the meantime is seen either as waiting or as created. */
function* usedOf(projectId: string, kind: CountedKind, now: string): Steps<number> {
  const { sql, args } = countSql(projectId, kind, now);
  const reserved = reservedSql[kind];
  const used = yield* one<{ n: number }>(
    `SELECT CAST(${reserved ? `${sql} + ${reserved}` : sql} AS INTEGER) AS n`,
    ...args,
    ...(reserved ? [projectId] : []),
  );
  return used?.n ?? 0;
}

/** Until the transaction ends, no other checks how many the project has. */
export function* lockProject(projectId: string): Steps<void> {
  yield* all(
    "SELECT ? AS project /*pg , pg_advisory_xact_lock(hashtextextended($1::text, 0))::text */",
    projectId,
  );
}

export const findProjectQuotas = operation(
  import.meta.url,
  "findProjectQuotas",
  function* (p: { readonly projectId: string }) {
    return yield* quotasOf(p.projectId);
  },
);

export const listProjectQuotas = operation(
  import.meta.url,
  "listProjectQuotas",
  function* (p: PageOf) {
    const total = yield* one<{ n: number }>(
      "SELECT CAST(COUNT(*) AS INTEGER) AS n FROM project_quotas",
    );
    const list = { from: "project_quotas", id: "project_id", where: "1 = 1", args: [] };
    const offset = yield* rowsBefore({ ...list, order: "project_id" }, p);
    const rows = yield* all<Tagged<ProjectQuotaRow>>(
      `SELECT ${columns} FROM project_quotas ORDER BY project_id LIMIT ? OFFSET ?`,
      p.limit,
      offset,
    );
    return { total: total?.n ?? 0, rows: yield* verifiedAll("project_quotas", rows), offset };
  },
);

/** Sets the quotas that are given and keeps the rest. */
export const setProjectQuotas = operation(
  import.meta.url,
  "setProjectQuotas",
  function* (p: { readonly projectId: string; readonly quotas: Partial<QuotaRow> }) {
    const { projectId, quotas } = p;
    const before = yield* quotasOf(projectId, "/*pg FOR UPDATE */");
    const given = quotaKinds.filter((kind) => (quotas[kind] ?? null) !== null);
    const change = Object.fromEntries(given.map((kind) => [kind, quotas[kind]]));
    if (before) yield* updateRow("project_quotas", before, change as Partial<ProjectQuotaRow>);
    else yield* insertRow("project_quotas", { project_id: projectId, ...unset, ...change });
  },
);

const unset: QuotaRow = {
  secrets: null,
  orders: null,
  containers: null,
  consumers: null,
  cas: null,
};

export const deleteProjectQuotas = operation(
  import.meta.url,
  "deleteProjectQuotas",
  function* (p: { readonly projectId: string }) {
    const changes = yield* run("DELETE FROM project_quotas WHERE project_id = ?", p.projectId);
    return changes > 0 ? {} : { refused: "not_found" as const };
  },
);
