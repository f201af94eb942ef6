import { all, one, operation, run } from "../operation.ts";
import type { ContainerRow } from "./containers.ts";
import type { SecretRow } from "./secrets.ts";

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
    const owned = "id, project_id, creator_id, acl, tag, tag_generation";
    const secrets = yield* all<SecretRow>(
      `SELECT ${owned}, expiration FROM secrets
       WHERE project_id = ? AND tag_generation < ? LIMIT ?`,
      ...args,
    );
    const containers = yield* all<ContainerRow>(
      `SELECT ${owned} FROM containers WHERE project_id = ? AND tag_generation < ? LIMIT ?`,
      ...args,
    );
    const passphrases = yield* all<{
      readonly id: string;
      readonly passphrase: Uint8Array;
      readonly passphrase_generation: number;
    }>(
      `SELECT id, passphrase, passphrase_generation FROM orders
       WHERE project_id = ? AND passphrase_generation < ? LIMIT ?`,
      ...args,
    );
    return { payloads, secrets, containers, passphrases };
  },
);

interface Resealed {
  readonly id: string;
  readonly sealed: Uint8Array;
  /** Of the key that sealed it. */
  readonly generation: number;
}

/** Puts what was sealed and tagged again in the place of the old, where that is still what it was. */
export const replaceOlder = operation(
  import.meta.url,
  "replaceOlder",
  function* (p: {
    readonly payloads: readonly (Resealed & { readonly from: number })[];
    readonly tags: readonly {
      readonly table: "secrets" | "containers";
      readonly id: string;
      readonly oldTag: Uint8Array;
      readonly tag: Uint8Array;
      readonly generation: number;
    }[];
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
    for (const { table, id, oldTag, tag, generation } of p.tags)
      yield* run(
        `UPDATE ${table} SET tag = ?, tag_generation = ? WHERE id = ? AND tag = ?`,
        tag,
        generation,
        id,
        oldTag,
      );
    for (const { id, sealed, generation } of p.passphrases)
      yield* run(
        "UPDATE orders SET passphrase = ?, passphrase_generation = ? WHERE id = ? AND passphrase IS NOT NULL",
        sealed,
        generation,
        id,
      );
  },
);

/** Deletes a project's older keys, if nothing needs them any more. */
export const deleteOlderKeys = operation(
  import.meta.url,
  "deleteOlderKeys",
  function* (p: { readonly projectId: string; readonly generation: number }) {
    const { projectId, generation } = p;
    // Holding the keys keeps those away who would seal with one of them meanwhile.
    yield* all(
      "SELECT generation FROM project_keys WHERE project_id = ? /*pg FOR UPDATE */",
      projectId,
    );
    for (const query of [
      `SELECT 1 AS one FROM payloads p JOIN secrets s ON s.id = p.secret_id
       WHERE s.project_id = ? AND p.generation < ? LIMIT 1`,
      "SELECT 1 AS one FROM secrets WHERE project_id = ? AND tag_generation < ? LIMIT 1",
      "SELECT 1 AS one FROM containers WHERE project_id = ? AND tag_generation < ? LIMIT 1",
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
