import { all, one, operation, run, type Steps } from "../../../store/operation.ts";
import type { TokenBasis } from "../records.ts";
import { mayIssueToken, mayMakeCredential } from "./rights.ts";
import type {
  ApplicationCredentialRow,
  AssignmentRow,
  ProjectRow,
  TokenRow,
  UserRow,
} from "./rows.ts";

/** A row by its key, or by its unique name. */
export interface ByIdOrName {
  readonly id?: string;
  readonly name?: string;
}

export const insertUser = operation(import.meta.url, "insertUser", function* (row: UserRow) {
  return yield* run(
    `INSERT INTO identity_users (id, name, password_hash, enabled, created)
     VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    row.id,
    row.name,
    row.password_hash,
    row.enabled,
    row.created,
  );
});

export const findUser = operation(import.meta.url, "findUser", function* (by: ByIdOrName) {
  return yield* byIdOrName<UserRow>("identity_users", by);
});

export const listUsers = operation(import.meta.url, "listUsers", function* () {
  return yield* all<UserRow>("SELECT * FROM identity_users ORDER BY name");
});

// The user's row first: on PostgreSQL a token that is being issued holds a lock on it, and
// only a statement that begins after that wait sees the token.
export const updateUser = operation(
  import.meta.url,
  "updateUser",
  function* (p: {
    readonly id: string;
    readonly passwordHash: string | null;
    /** Changes nothing if the password is another's by now. Null: whatever it is. */
    readonly provenHash: string | null;
    readonly enabled: number | null;
  }) {
    const changes = yield* run(
      `UPDATE identity_users SET password_hash = COALESCE(?, password_hash),
       enabled = COALESCE(?, enabled) WHERE id = ? AND password_hash = COALESCE(?, password_hash)`,
      p.passwordHash,
      p.enabled,
      p.id,
      p.provenHash,
    );
    if (changes > 0) yield* run("DELETE FROM identity_tokens WHERE user_id = ?", p.id);
    return changes;
  },
);

// What belongs to a user or a project goes with it by the schema's ON DELETE CASCADE.
export const deleteUser = operation(
  import.meta.url,
  "deleteUser",
  function* (p: { readonly id: string }) {
    return yield* run("DELETE FROM identity_users WHERE id = ?", p.id);
  },
);

export const insertProject = operation(
  import.meta.url,
  "insertProject",
  function* (row: ProjectRow) {
    return yield* run(
      `INSERT INTO identity_projects (id, name, description, enabled, created)
       VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      row.id,
      row.name,
      row.description,
      row.enabled,
      row.created,
    );
  },
);

export const findProject = operation(import.meta.url, "findProject", function* (by: ByIdOrName) {
  return yield* byIdOrName<ProjectRow>("identity_projects", by);
});

export const listProjects = operation(import.meta.url, "listProjects", function* () {
  return yield* all<ProjectRow>("SELECT * FROM identity_projects ORDER BY name");
});

export const setProjectEnabled = operation(
  import.meta.url,
  "setProjectEnabled",
  function* (p: { readonly id: string; readonly enabled: number }) {
    // In this order for the same reason as in updateUser.
    const changes = yield* run(
      "UPDATE identity_projects SET enabled = ? WHERE id = ?",
      p.enabled,
      p.id,
    );
    yield* run("DELETE FROM identity_tokens WHERE project_id = ?", p.id);
    return changes;
  },
);

export const deleteProject = operation(
  import.meta.url,
  "deleteProject",
  function* (p: { readonly id: string }) {
    return yield* run("DELETE FROM identity_projects WHERE id = ?", p.id);
  },
);

export const insertAssignment = operation(
  import.meta.url,
  "insertAssignment",
  function* (row: AssignmentRow) {
    const user = yield* one("SELECT id FROM identity_users WHERE id = ?", row.user_id);
    const project = yield* one("SELECT id FROM identity_projects WHERE id = ?", row.project_id);
    if (!user || !project) return false;
    yield* run(
      `INSERT INTO identity_assignments (user_id, project_id, role)
       VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
      row.user_id,
      row.project_id,
      row.role,
    );
    return true;
  },
);

export const deleteAssignment = operation(
  import.meta.url,
  "deleteAssignment",
  function* (row: AssignmentRow) {
    return yield* run(
      "DELETE FROM identity_assignments WHERE user_id = ? AND project_id = ? AND role = ?",
      row.user_id,
      row.project_id,
      row.role,
    );
  },
);

export const listAssignments = operation(
  import.meta.url,
  "listAssignments",
  function* (p: { readonly userId: string | null; readonly projectId: string | null }) {
    const where: string[] = [];
    const args: string[] = [];
    if (p.userId !== null) {
      where.push("user_id = ?");
      args.push(p.userId);
    }
    if (p.projectId !== null) {
      where.push("project_id = ?");
      args.push(p.projectId);
    }
    return yield* all<AssignmentRow>(
      `SELECT user_id, project_id, role FROM identity_assignments
       ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""}
       ORDER BY user_id, project_id, role`,
      ...args,
    );
  },
);

export const insertApplicationCredential = operation(
  import.meta.url,
  "insertApplicationCredential",
  function* (p: {
    readonly row: ApplicationCredentialRow;
    readonly roles: readonly string[];
    readonly tokenHash: string;
    readonly maxPerUser: number;
  }): Steps<"made" | "ended" | "taken" | "too_many"> {
    const { row } = p;
    if (!(yield* mayMakeCredential(p))) return "ended";
    const mine = yield* all(
      "SELECT id FROM identity_application_credentials WHERE user_id = ?",
      row.user_id,
    );
    if (mine.length >= p.maxPerUser) return "too_many";
    const changes = yield* run(
      `INSERT INTO identity_application_credentials
       (id, user_id, project_id, name, description, secret_hash, roles, unrestricted,
        access_rules, expires, created)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      row.id,
      row.user_id,
      row.project_id,
      row.name,
      row.description,
      row.secret_hash,
      row.roles,
      row.unrestricted,
      row.access_rules,
      row.expires,
      row.created,
    );
    return changes > 0 ? "made" : "taken";
  },
);

export const findApplicationCredential = operation(
  import.meta.url,
  "findApplicationCredential",
  function* (p: { readonly id: string } | { readonly userId: string; readonly name: string }) {
    if (!("userId" in p)) {
      return yield* one<ApplicationCredentialRow>(
        "SELECT * FROM identity_application_credentials WHERE id = ?",
        p.id,
      );
    }
    return yield* one<ApplicationCredentialRow>(
      "SELECT * FROM identity_application_credentials WHERE user_id = ? AND name = ?",
      p.userId,
      p.name,
    );
  },
);

export const listApplicationCredentials = operation(
  import.meta.url,
  "listApplicationCredentials",
  function* (p: { readonly userId: string }) {
    return yield* all<ApplicationCredentialRow>(
      "SELECT * FROM identity_application_credentials WHERE user_id = ? ORDER BY name",
      p.userId,
    );
  },
);

export const deleteApplicationCredential = operation(
  import.meta.url,
  "deleteApplicationCredential",
  function* (p: { readonly userId: string; readonly id: string }) {
    return yield* run(
      "DELETE FROM identity_application_credentials WHERE user_id = ? AND id = ?",
      p.userId,
      p.id,
    );
  },
);

export const insertToken = operation(
  import.meta.url,
  "insertToken",
  function* ({ row, basis }: { readonly row: TokenRow; readonly basis: TokenBasis }) {
    if (!(yield* mayIssueToken(row, basis))) return false;
    yield* run(
      `INSERT INTO identity_tokens
       (hash, user_id, project_id, application_credential_id, methods, audit_ids, issued, expires)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      row.hash,
      row.user_id,
      row.project_id,
      row.application_credential_id,
      row.methods,
      row.audit_ids,
      row.issued,
      row.expires,
    );
    return true;
  },
);

export const findToken = operation(
  import.meta.url,
  "findToken",
  function* (p: { readonly hash: string }) {
    const token = yield* one<TokenRow>("SELECT * FROM identity_tokens WHERE hash = ?", p.hash);
    const user = token && (yield* byIdOrName<UserRow>("identity_users", { id: token.user_id }));
    if (!token || !user) return undefined;
    const { project_id: projectId, application_credential_id: credentialId } = token;
    return {
      token,
      user,
      project:
        projectId === null
          ? undefined
          : yield* byIdOrName<ProjectRow>("identity_projects", { id: projectId }),
      assignments:
        projectId === null
          ? []
          : yield* all<AssignmentRow>(
              `SELECT user_id, project_id, role FROM identity_assignments
               WHERE user_id = ? AND project_id = ? ORDER BY role`,
              user.id,
              projectId,
            ),
      credential:
        credentialId === null
          ? undefined
          : yield* byIdOrName<ApplicationCredentialRow>("identity_application_credentials", {
              id: credentialId,
            }),
    };
  },
);

export const deleteToken = operation(
  import.meta.url,
  "deleteToken",
  function* (p: { readonly hash: string }) {
    return yield* run("DELETE FROM identity_tokens WHERE hash = ?", p.hash);
  },
);

export const deleteTokensExpiredBefore = operation(
  import.meta.url,
  "deleteTokensExpiredBefore",
  function* (p: { readonly time: string }) {
    return yield* run("DELETE FROM identity_tokens WHERE expires < ?", p.time);
  },
);

function byIdOrName<Row>(
  table: "identity_users" | "identity_projects" | "identity_application_credentials",
  { id, name }: ByIdOrName,
): Steps<Row | undefined> {
  return id === undefined
    ? one<Row>(`SELECT * FROM ${table} WHERE name = ?`, name ?? "")
    : one<Row>(`SELECT * FROM ${table} WHERE id = ?`, id);
}
