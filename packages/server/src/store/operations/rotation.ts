import { all, one, operation, run } from "../operation.ts";
import { columnsOf, type Tagged, updateRow, verifiedAll, verifiedIfAny } from "../tagged-rows.ts";
import type { OrderRow } from "./orders.ts";

const orderColumns = columnsOf("orders");

/** A project's keys, the newest first, and which of them a rotation made. */
export const findGenerations = operation(
  import.meta.url,
  "findGenerations",
  function* (p: { readonly projectId: string }) {
    return yield* all<{ readonly generation: number; readonly rotation: number }>(
      "SELECT generation, rotation FROM project_keys WHERE project_id = ? ORDER BY generation DESC",
      p.projectId,
    );
  },
);

/** What a project has that older keys than `generation` guard; a part of it. */
export const findOlder = operation(
  import.meta.url,
  "findOlder",
  function* (p: {
    readonly projectId: string;
    readonly generation: number;
    readonly limit: number;
  }) {
    const args = [p.projectId, p.generation, p.limit] as const;
    const payloads = yield* all<{
      readonly id: string;
      readonly content_type: string;
      readonly generation: number;
      readonly sealed: Uint8Array;
    }>(
      `SELECT s.id, s.content_type, p.generation, p.sealed FROM payloads p
       JOIN secrets s ON s.id = p.secret_id
       WHERE s.project_id = ? AND p.generation < ? LIMIT ?`,
      ...args,
    );
    const orders = yield* all<Tagged<OrderRow>>(
      `SELECT ${orderColumns} FROM orders WHERE project_id = ? AND passphrase_generation < ? LIMIT ?`,
      ...args,
    );
    return { payloads, orders: yield* verifiedAll("orders", orders) };
  },
);

interface Resealed {
  readonly id: string;
  readonly sealed: Uint8Array;
  /** Of the key that sealed it. */
  readonly generation: number;
}

/** Puts what was sealed again in the place of the old, where that is still what it was. */
export const replaceOlder = operation(
  import.meta.url,
  "replaceOlder",
  function* (p: {
    readonly payloads: readonly (Resealed & { readonly from: number })[];
    readonly passphrases: readonly Resealed[];
  }) {
    for (const payload of p.payloads)
      yield* run(
        "UPDATE payloads SET sealed = ?, generation = ? WHERE secret_id = ? AND generation = ?",
        payload.sealed,
        payload.generation,
        payload.id,
        payload.from,
      );
    for (const { id, sealed, generation } of p.passphrases) {
      const sql = `SELECT ${orderColumns} FROM orders WHERE id = ? /*pg FOR UPDATE */`;
      const row = yield* verifiedIfAny("orders", yield* one<Tagged<OrderRow>>(sql, id));
      if (row && row.passphrase !== null)
        yield* updateRow("orders", row, {
          passphrase: sealed,
          passphrase_generation: generation,
        });
    }
  },
);

/** Deletes a project's older keys, if nothing needs them any more. */
export const deleteOlderKeys = operation(
  import.meta.url,
  "deleteOlderKeys",
  function* (p: { readonly projectId: string; readonly generation: number }) {
    const { projectId, generation } = p;
    // The lock on the keys prevents other writers from sealing with one of them.
    yield* all(
      "SELECT generation FROM project_keys WHERE project_id = ? /*pg FOR UPDATE */",
      projectId,
    );
    for (const query of [
      `SELECT 1 AS one FROM payloads p JOIN secrets s ON s.id = p.secret_id
       WHERE s.project_id = ? AND p.generation < ? LIMIT 1`,
      "SELECT 1 AS one FROM orders WHERE project_id = ? AND passphrase_generation < ? LIMIT 1",
    ])
      if (yield* one(query, projectId, generation)) return { refused: "in_use" as const };
    yield* run(
      "DELETE FROM project_keys WHERE project_id = ? AND generation < ?",
      projectId,
      generation,
    );
    return {};
  },
);
