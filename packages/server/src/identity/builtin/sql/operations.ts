import { all, one, operation, run, type Steps } from "../../../store/operation.ts";
import {
  insertRow,
  type Tagged,
  updateRow,
  verified,
  verifiedAll,
  verifiedIfAny,
} from "../../../store/tagged-rows.ts";
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

const onceOnly = { conflict: "ON CONFLICT DO NOTHING" };

export const insertUser = operation(import.meta.url, "insertUser", function* (row: UserRow) {
  return yield* insertRow("identity_users", row, onceOnly);
});

export const findUser = operation(import.meta.url, "findUser", function* (by: ByIdOrName) {
  return yield* byIdOrName<UserRow>("identity_users", by);
});

export const listUsers = operation(import.meta.url, "listUsers", function* () {
  const sql = "SELECT * FROM identity_users ORDER BY name";
  return yield* verifiedAll("identity_users", yield* all<Tagged<UserRow>>(sql));
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
    const sql = "SELECT * FROM identity_users WHERE id = ? /*pg FOR UPDATE */";
    const user = yield* verifiedIfAny("identity_users", yield* one<Tagged<UserRow>>(sql, p.id));
    if (!user || user.password_hash !== (p.provenHash ?? user.password_hash)) return 0;
    yield* updateRow("identity_users", user, {
      ...(p.passwordHash !== null && { password_hash: p.passwordHash }),
      ...(p.enabled !== null && { enabled: p.enabled }),
    });
    yield* run("DELETE FROM identity_tokens WHERE user_id = ?", p.id);
    return 1;
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
    return yield* insertRow("identity_projects", row, onceOnly);
  },
);

export const findProject = operation(import.meta.url, "findProject", function* (by: ByIdOrName) {
  return yield* byIdOrName<ProjectRow>("identity_projects", by);
});

export const listProjects = operation(import.meta.url, "listProjects", function* () {
  const sql = "SELECT * FROM identity_projects ORDER BY name";
  return yield* verifiedAll("identity_projects", yield* all<Tagged<ProjectRow>>(sql));
});

export const setProjectEnabled = operation(
  import.meta.url,
  "setProjectEnabled",
  function* (p: { readonly id: string; readonly enabled: number }) {
    // In this order for the same reason as in updateUser.
    const sql = "SELECT * FROM identity_projects WHERE id = ? /*pg FOR UPDATE */";
    const row = yield* one<Tagged<ProjectRow>>(sql, p.id);
    if (!row) return 0;
    yield* verified("identity_projects", row);
    yield* updateRow("identity_projects", row, { enabled: p.enabled });
    yield* run("DELETE FROM identity_tokens WHERE project_id = ?", p.id);
    return 1;
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
    yield* insertRow("identity_assignments", row, onceOnly);
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
    const rows = yield* all<Tagged<AssignmentRow>>(
      `SELECT * FROM identity_assignments
       ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""}
       ORDER BY user_id, project_id, role`,
      ...args,
    );
    return yield* verifiedAll("identity_assignments", rows);
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
    const changes = yield* insertRow("identity_application_credentials", row, onceOnly);
    return changes > 0 ? "made" : "taken";
  },
);

export const findApplicationCredential = operation(
  import.meta.url,
  "findApplicationCredential",
  function* (p: { readonly id: string } | { readonly userId: string; readonly name: string }) {
    if (!("userId" in p)) return yield* credentialById(p.id);
    const row = yield* one<Tagged<ApplicationCredentialRow>>(
      "SELECT * FROM identity_application_credentials WHERE user_id = ? AND name = ?",
      p.userId,
      p.name,
    );
    return yield* verifiedIfAny("identity_application_credentials", row);
  },
);

export const listApplicationCredentials = operation(
  import.meta.url,
  "listApplicationCredentials",
  function* (p: { readonly userId: string }) {
    const rows = yield* all<Tagged<ApplicationCredentialRow>>(
      "SELECT * FROM identity_application_credentials WHERE user_id = ? ORDER BY name",
      p.userId,
    );
    return yield* verifiedAll("identity_application_credentials", rows);
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
    yield* insertRow("identity_tokens", row);
    return true;
  },
);

export const findToken = operation(
  import.meta.url,
  "findToken",
  function* (p: { readonly hash: string }) {
    const sql = "SELECT * FROM identity_tokens WHERE hash = ?";
    const token = yield* verifiedIfAny(
      "identity_tokens",
      yield* one<Tagged<TokenRow>>(sql, p.hash),
    );
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
          : yield* verifiedAll(
              "identity_assignments",
              yield* all<Tagged<AssignmentRow>>(
                `SELECT * FROM identity_assignments
                 WHERE user_id = ? AND project_id = ? ORDER BY role`,
                user.id,
                projectId,
              ),
            ),
      credential: credentialId === null ? undefined : yield* credentialById(credentialId),
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

function* byIdOrName<Row extends object>(
  table: "identity_users" | "identity_projects",
  { id, name }: ByIdOrName,
): Steps<Tagged<Row> | undefined> {
  const row =
    id === undefined
      ? yield* one<Tagged<Row>>(`SELECT * FROM ${table} WHERE name = ?`, name ?? "")
      : yield* one<Tagged<Row>>(`SELECT * FROM ${table} WHERE id = ?`, id);
  return yield* verifiedIfAny(table, row);
}

function* credentialById(id: string): Steps<ApplicationCredentialRow | undefined> {
  const sql = "SELECT * FROM identity_application_credentials WHERE id = ?";
  const row = yield* one<Tagged<ApplicationCredentialRow>>(sql, id);
  return yield* verifiedIfAny("identity_application_credentials", row);
}
