import { all, one, operation, run } from "../operation.ts";

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

/** Adds a key unless the project has one of that generation: the first of two wins. */
export const insertProjectKey = operation(
  import.meta.url,
  "insertProjectKey",
  function* (p: { readonly row: ProjectKeyRow; readonly created: string }) {
    yield* run(
      `INSERT INTO project_keys (project_id, generation, root_key_id, wrapped, created)
       VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      p.row.project_id,
      p.row.generation,
      p.row.root_key_id,
      p.row.wrapped,
      p.created,
    );
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
