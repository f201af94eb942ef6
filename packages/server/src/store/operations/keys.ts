import { all, one, operation, run, type Steps } from "../operation.ts";

export interface ProjectKeyRow {
  readonly project_id: string;
  readonly generation: number;
  readonly root_key_id: number;
  readonly wrapped: Uint8Array;
}

export interface RootKeyRow {
  readonly id: number;
  readonly check_value: Uint8Array;
}

export interface SystemKeyRow {
  readonly name: string;
  readonly root_key_id: number;
  readonly wrapped: Uint8Array;
}

/** A project's keys, the newest first. */
export const findProjectKeys = operation(
  import.meta.url,
  "findProjectKeys",
  function* (p: { readonly projectId: string }) {
    return yield* all<ProjectKeyRow>(
      `SELECT project_id, generation, root_key_id, wrapped FROM project_keys
       WHERE project_id = ? ORDER BY generation DESC`,
      p.projectId,
    );
  },
);

/** Adds a key unless the project has one of that generation: the first of two wins, and the result says which. */
export const insertProjectKey = operation(
  import.meta.url,
  "insertProjectKey",
  function* (p: {
    readonly row: ProjectKeyRow;
    readonly created: string;
    /** Seals reserved with it, see {@link reserveSeals}. */
    readonly seals: number;
    /** True if a rotation makes it, after which all older keys go. */
    readonly rotation: boolean;
  }) {
    const changes = yield* run(
      `INSERT INTO project_keys
         (project_id, generation, root_key_id, wrapped, created, seals, rotation)
       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      p.row.project_id,
      p.row.generation,
      p.row.root_key_id,
      p.row.wrapped,
      p.created,
      p.seals,
      p.rotation ? 1 : 0,
    );
    return { added: changes > 0 };
  },
);

/**
 * Counts seals of one key before they are made, so that the count is never too low,
 * whatever crashes. Refused if they would be more than `max`, or the key is gone.
 */
export const reserveSeals = operation(
  import.meta.url,
  "reserveSeals",
  function* (p: {
    readonly projectId: string;
    readonly generation: number;
    readonly seals: number;
    readonly max: number;
  }) {
    const changes = yield* run(
      `UPDATE project_keys SET seals = seals + ?
       WHERE project_id = ? AND generation = ? AND seals <= ?`,
      p.seals,
      p.projectId,
      p.generation,
      p.max - p.seals,
    );
    if (changes > 0) return {};
    const exists = yield* hasProjectKey(p.projectId, p.generation);
    return { refused: exists ? ("used_up" as const) : ("stale_key" as const) };
  },
);

/** Marks every key as used up: what was sealed after a backup is unknown. */
export const useUpProjectKeys = operation(
  import.meta.url,
  "useUpProjectKeys",
  function* (p: { readonly seals: number }) {
    yield* run("UPDATE project_keys SET seals = ?", p.seals);
  },
);

export const listRootKeys = operation(import.meta.url, "listRootKeys", function* () {
  return yield* all<RootKeyRow>("SELECT id, check_value FROM root_keys ORDER BY id");
});

export const insertRootKey = operation(
  import.meta.url,
  "insertRootKey",
  function* (p: { readonly row: RootKeyRow; readonly created: string }) {
    yield* run(
      "INSERT INTO root_keys (id, check_value, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      p.row.id,
      p.row.check_value,
      p.created,
    );
  },
);

export const findSystemKey = operation(
  import.meta.url,
  "findSystemKey",
  function* (p: { readonly name: string }) {
    return yield* one<SystemKeyRow>(
      "SELECT name, root_key_id, wrapped FROM system_keys WHERE name = ?",
      p.name,
    );
  },
);

export const insertSystemKey = operation(
  import.meta.url,
  "insertSystemKey",
  function* (p: { readonly row: SystemKeyRow }) {
    yield* run(
      "INSERT INTO system_keys (name, root_key_id, wrapped) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      p.row.name,
      p.row.root_key_id,
      p.row.wrapped,
    );
  },
);

/** False if a key was retired since it was last looked at: what it sealed could never be opened. */
export function* hasProjectKey(projectId: string, generation: number): Steps<boolean> {
  const found = yield* one(
    `SELECT generation FROM project_keys WHERE project_id = ? AND generation = ?
     /*pg FOR SHARE */`,
    projectId,
    generation,
  );
  return found !== undefined;
}

/** Keys that another root key than `rootKeyId` wraps; some of them. */
export const findForeignProjectKeys = operation(
  import.meta.url,
  "findForeignProjectKeys",
  function* (p: { readonly rootKeyId: number; readonly limit: number }) {
    return yield* all<ProjectKeyRow>(
      `SELECT project_id, generation, root_key_id, wrapped FROM project_keys
       WHERE root_key_id <> ? LIMIT ?`,
      p.rootKeyId,
      p.limit,
    );
  },
);

export const findForeignSystemKeys = operation(
  import.meta.url,
  "findForeignSystemKeys",
  function* (p: { readonly rootKeyId: number }) {
    return yield* all<SystemKeyRow>(
      "SELECT name, root_key_id, wrapped FROM system_keys WHERE root_key_id <> ?",
      p.rootKeyId,
    );
  },
);

/** Replaces wrapped keys by the same keys, wrapped again. */
export const replaceWrappedKeys = operation(
  import.meta.url,
  "replaceWrappedKeys",
  function* (p: {
    readonly projectKeys: readonly ProjectKeyRow[];
    readonly systemKeys: readonly SystemKeyRow[];
  }) {
    for (const row of p.projectKeys)
      yield* run(
        `UPDATE project_keys SET root_key_id = ?, wrapped = ?
         WHERE project_id = ? AND generation = ?`,
        row.root_key_id,
        row.wrapped,
        row.project_id,
        row.generation,
      );
    for (const row of p.systemKeys)
      yield* run(
        "UPDATE system_keys SET root_key_id = ?, wrapped = ? WHERE name = ?",
        row.root_key_id,
        row.wrapped,
        row.name,
      );
  },
);

/** Forgets root keys that wrap nothing any more. */
export const deleteOldRootKeys = operation(
  import.meta.url,
  "deleteOldRootKeys",
  function* (p: { readonly current: number }) {
    yield* run("DELETE FROM root_keys WHERE id < ?", p.current);
  },
);

/** Projects that have keys, in order, after one of them. */
export const listKeyedProjects = operation(
  import.meta.url,
  "listKeyedProjects",
  function* (p: { readonly after: string; readonly limit: number }) {
    return yield* all<{ readonly project_id: string }>(
      `SELECT DISTINCT project_id FROM project_keys WHERE project_id > ?
       ORDER BY project_id LIMIT ?`,
      p.after,
      p.limit,
    );
  },
);
