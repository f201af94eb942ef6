import { operation, run } from "../operation.ts";
import { dropMembersOfProject } from "./container-members.ts";

/**
 * Removes everything of a project, keys included, so that not even a backup of
 * the payloads opens any more. What others registered or were granted on it goes too.
 * Resolves to how many there were, those that could have been restored included.
 */
export const eraseProject = operation(
  import.meta.url,
  "eraseProject",
  function* (p: { readonly projectId: string }) {
    const { projectId } = p;
    const erased = { secrets: 0, containers: 0, orders: 0, project_quotas: 0, project_keys: 0 };
    yield* dropMembersOfProject(projectId);
    // The consumers of a deleted secret are not counted since its deletion.
    for (const [consumers, owner, objects, counted] of [
      ["secret_consumers", "secret_id", "secrets", "o.deleted IS NULL"],
      ["container_consumers", "container_id", "containers", "TRUE"],
    ] as const) {
      yield* run(
        `UPDATE counts SET n = n - (
           SELECT COUNT(*) FROM ${consumers} c JOIN ${objects} o ON o.id = c.${owner}
           WHERE o.project_id = ? AND c.project_id = counts.project_id AND ${counted})
         WHERE kind = 'consumers' AND slot = (
           SELECT MIN(slot) FROM counts other
           WHERE other.project_id = counts.project_id AND other.kind = 'consumers')`,
        projectId,
      );
      yield* run(
        `DELETE FROM acl_users WHERE object_id IN (SELECT id FROM ${objects} WHERE project_id = ?)`,
        projectId,
      );
      erased[objects] = yield* run(`DELETE FROM ${objects} WHERE project_id = ?`, projectId);
    }
    for (const table of ["orders", "project_quotas", "project_keys"] as const)
      erased[table] = yield* run(`DELETE FROM ${table} WHERE project_id = ?`, projectId);
    yield* run("DELETE FROM order_turns WHERE project_id = ?", projectId);
    yield* run("DELETE FROM counts WHERE project_id = ? AND kind <> 'consumers'", projectId);
    return erased;
  },
);
