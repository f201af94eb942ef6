import { all, one, operation, run, type SqlValue, type Steps } from "../operation.ts";
import {
  columnsOf,
  insertRow,
  isAuthentic,
  type Tagged,
  updateRow,
  verified,
  verifiedAll,
  verifiedIfAny,
} from "../tagged-rows.ts";
import { addContainer, type ContainerMember, type ContainerRow } from "./containers.ts";
import { hasProjectKey } from "./keys.ts";
import { type PageOf, rowsBefore } from "./pages.ts";
import { addCount, type CountedKind, countOf, lockProject, quotaInTheWay } from "./quotas.ts";
import { addSecret, type SealedPayload, type SecretRow } from "./secrets.ts";

export interface OrderRow {
  readonly id: string;
  readonly project_id: string;
  readonly creator_id: string;
  readonly type: string;
  /** JSON; without a passphrase, which is sealed apart. */
  readonly meta: string;
  readonly status: "PENDING" | "ACTIVE" | "ERROR";
  readonly secret_id: string | null;
  readonly container_id: string | null;
  readonly error_status: string | null;
  readonly error_reason: string | null;
  readonly passphrase: Uint8Array | null;
  readonly passphrase_generation: number | null;
  readonly created: string;
  readonly updated: string;
}

const columns = columnsOf("orders");

/** What an order made: rows that are added together with its new state. */
export interface Made {
  readonly secrets: readonly { readonly row: SecretRow; readonly payload?: SealedPayload }[];
  readonly container?: { readonly row: ContainerRow; readonly members: readonly ContainerMember[] };
}

/** False if a key was retired that sealed some of this; all of it was made at once, though perhaps across a rotation. */
function* keysAreCurrent(projectId: string, made: Made | undefined): Steps<boolean> {
  const generations = new Set(made?.secrets.map(({ payload }) => payload?.generation));
  for (const generation of generations)
    if (generation !== undefined && !(yield* hasProjectKey(projectId, generation))) return false;
  return true;
}

/**
 * Adds an order, and with it what it made if it is done already. What it makes,
 * now or later, counts against the quotas from now on.
 */
export const insertOrder = operation(
  import.meta.url,
  "insertOrder",
  function* (p: {
    readonly row: OrderRow;
    readonly made?: Made;
    readonly defaultQuotas: Readonly<Record<CountedKind, number>>;
    /** How many orders of a project may wait. */
    readonly maxWaiting: number;
  }) {
    const { row } = p;
    const { project_id: projectId, created } = row;
    const kind = yield* quotaInTheWay(projectId, yieldOf(row, p.made), p.defaultQuotas, created);
    if (kind) return { refused: "quota" as const, kind };
    if (row.status === "PENDING" && (yield* tooManyWait(row.project_id, p.maxWaiting)))
      return { refused: "too_many" as const };
    const { passphrase_generation: sealedBy } = row;
    const current =
      (yield* keysAreCurrent(row.project_id, p.made)) &&
      (sealedBy === null || (yield* hasProjectKey(row.project_id, sealedBy)));
    if (!current) return { refused: "stale_key" as const };
    yield* insertRow("orders", row);
    yield* addCount(row.project_id, "orders", 1);
    for (const secret of p.made?.secrets ?? []) yield* addSecret(secret.row, secret.payload);
    return {};
  },
);

/** How many of each kind there will be more. A waiting order makes a pair. */
function yieldOf(row: OrderRow, made: Made | undefined): Partial<Record<CountedKind, number>> {
  if (row.status === "PENDING")
    return { orders: 1, secrets: row.passphrase === null ? 2 : 3, containers: 1 };
  return { orders: 1, secrets: made?.secrets.length ?? 0 };
}

function* tooManyWait(projectId: string, max: number): Steps<boolean> {
  yield* lockProject(projectId);
  const waiting = yield* one<{ n: number }>(
    `SELECT CAST(COUNT(*) AS INTEGER) AS n FROM orders
     WHERE project_id = ? AND status = 'PENDING'`,
    projectId,
  );
  return (waiting?.n ?? 0) >= max;
}

/** An order of the project; others' are not found. */
export const findOrder = operation(
  import.meta.url,
  "findOrder",
  function* (p: { readonly id: string; readonly projectId: string }) {
    const sql = `SELECT ${columns} FROM orders WHERE id = ?`;
    // Verified before the project is looked at, so that a false project does not hide an order from its own.
    const row = yield* verifiedIfAny("orders", yield* one<Tagged<OrderRow>>(sql, p.id));
    return row?.project_id === p.projectId ? row : undefined;
  },
);

export const listOrders = operation(
  import.meta.url,
  "listOrders",
  function* (
    p: PageOf & {
      readonly projectId: string;
      /** Text in the meta's JSON, in any case. Not by LIKE, which takes the product of both lengths. */
      readonly metaPart: string | null;
      readonly now: string;
    },
  ) {
    const where =
      p.metaPart === null
        ? "project_id = ?"
        : "project_id = ? AND REPLACE(LOWER(meta), LOWER(?), '') <> LOWER(meta)";
    const args: readonly SqlValue[] =
      p.metaPart === null ? [p.projectId] : [p.projectId, p.metaPart];
    const order = "created, id";
    const offset = yield* rowsBefore({ from: "orders", id: "id", where, args, order }, p);
    const rows = yield* all<Tagged<OrderRow>>(
      `SELECT ${columns} FROM orders WHERE ${where} ORDER BY ${order} LIMIT ? OFFSET ?`,
      ...args,
      p.limit,
      offset,
    );
    const total =
      p.metaPart === null
        ? yield* countOf(p.projectId, "orders", p.now)
        : ((yield* one<{ n: number }>(
            `SELECT CAST(COUNT(*) AS INTEGER) AS n FROM orders WHERE ${where}`,
            ...args,
          ))?.n ?? 0);
    return { rows: yield* verifiedAll("orders", rows), total, offset };
  },
);

export const deleteOrder = operation(
  import.meta.url,
  "deleteOrder",
  function* (p: { readonly id: string; readonly projectId: string }) {
    const changes = yield* run(
      "DELETE FROM orders WHERE id = ? AND project_id = ?",
      p.id,
      p.projectId,
    );
    if (changes === 0) return { refused: "not_found" as const };
    yield* addCount(p.projectId, "orders", -1);
    return {};
  },
);

/**
 * Takes an order that waits and that no process works on; others leave it alone
 * until `until`. Projects take turns: the next is the one whose last turn is
 * longest ago, with its oldest order; those in `except` have none. If that order was
 * changed behind the server's back, resolves to its id as `forged`: it is left alone for
 * as long.
 */
export const claimOrder = operation(
  import.meta.url,
  "claimOrder",
  function* (p: {
    readonly now: string;
    readonly until: string;
    /** Projects that have no turn now. Default: none. */
    readonly except?: readonly string[];
  }) {
    const { except = [] } = p;
    const others =
      except.length === 0 ? "" : `AND o.project_id NOT IN (${except.map(() => "?").join(", ")})`;
    // One claim at a time, so that two nodes do not give the same turn to one project.
    yield* all("SELECT 1 AS one /*pg , pg_advisory_xact_lock(7024593812)::text */");
    const row = yield* one<Tagged<OrderRow>>(
      `SELECT ${columnsOf("orders", "o")} FROM orders o
       LEFT JOIN order_turns t ON t.project_id = o.project_id
       WHERE o.status = 'PENDING' AND (o.claimed_until IS NULL OR o.claimed_until <= ?) ${others}
       ORDER BY COALESCE(t.turn, 0), o.created, o.id LIMIT 1 /*pg FOR UPDATE OF o SKIP LOCKED */`,
      p.now,
      ...except,
    );
    if (!row) return undefined;
    yield* run("UPDATE orders SET claimed_until = ? WHERE id = ?", p.until, row.id);
    const last = yield* one<{ turn: number }>(
      "SELECT turn FROM order_turns ORDER BY turn DESC LIMIT 1",
    );
    yield* run(
      `INSERT INTO order_turns (project_id, turn) VALUES (?, ?)
       ON CONFLICT (project_id) DO UPDATE SET turn = excluded.turn`,
      row.project_id,
      (last?.turn ?? 0) + 1,
    );
    return (yield* isAuthentic("orders", row)) ? { order: row } : { forged: row.id };
  },
);

/** Keeps a claim for longer, while the work goes on. Refused if the order was deleted or finished. */
export const renewClaim = operation(
  import.meta.url,
  "renewClaim",
  function* (p: { readonly id: string; readonly until: string }) {
    const changes = yield* run(
      "UPDATE orders SET claimed_until = ? WHERE id = ? AND status = 'PENDING'",
      p.until,
      p.id,
    );
    return changes > 0 ? {} : { refused: "not_pending" as const };
  },
);

/** Lets go of every claim: for a store with one process, when that process starts or stops. */
export const releaseClaims = operation(import.meta.url, "releaseClaims", function* () {
  yield* run("UPDATE orders SET claimed_until = NULL WHERE claimed_until IS NOT NULL");
});

/** Ends an order with what it made, or with an error; only the first to come does, and only if it still waits. */
export const finishOrder = operation(
  import.meta.url,
  "finishOrder",
  function* (p: {
    readonly id: string;
    readonly projectId: string;
    readonly made?: Made;
    readonly error?: { readonly status: string; readonly reason: string };
    readonly now: string;
  }) {
    if (!(yield* keysAreCurrent(p.projectId, p.made))) return { refused: "stale_key" as const };
    const sql = `SELECT ${columns} FROM orders WHERE id = ? /*pg FOR UPDATE */`;
    const row = yield* one<Tagged<OrderRow>>(sql, p.id);
    if (!row) return { refused: "not_pending" as const };
    yield* verified("orders", row);
    if (row.status !== "PENDING") return { refused: "not_pending" as const };
    yield* updateRow("orders", row, {
      status: p.error ? "ERROR" : "ACTIVE",
      container_id: p.made?.container?.row.id ?? null,
      error_status: p.error?.status ?? null,
      error_reason: p.error?.reason ?? null,
      passphrase: null,
      passphrase_generation: null,
      updated: p.now,
    });
    for (const secret of p.made?.secrets ?? []) yield* addSecret(secret.row, secret.payload);
    if (p.made?.container) yield* addContainer(p.made.container.row, p.made.container.members);
    return {};
  },
);
