import { expandRoles } from "../../../policy/roles.ts";
import { all, one, type Steps } from "../../../store/operation.ts";
import { type Tagged, verifiedAll, verifiedIfAny } from "../../../store/tagged-rows.ts";
import type { TokenBasis } from "../records.ts";
import type {
  ApplicationCredentialRow,
  AssignmentRow,
  ProjectRow,
  TokenRow,
  UserRow,
} from "./rows.ts";

// What was checked before a token or a credential is made is checked once more in the transaction
// that keeps it. SQLite has one writer. On PostgreSQL each row is locked, always in the order user,
// project, role, credential, token: a change of one waits for us, or we wait for it and see it.

/** True if at this moment the proof of a token still holds, and the user may have it. */
export function* mayIssueToken(token: TokenRow, basis: TokenBasis): Steps<boolean> {
  const user = yield* userBy(token.user_id, "/*pg FOR SHARE */");
  if (!user?.enabled) return false;
  if (basis.method === "password" && user.password_hash !== basis.passwordHash) return false;
  if (token.project_id !== null) {
    const roles = yield* rolesOn(token.user_id, token.project_id);
    if (roles.length === 0) return false;
  }
  switch (basis.method) {
    case "password":
      return token.application_credential_id === null;
    case "application_credential": {
      const credential = yield* credentialOf(token);
      return credential?.secret_hash === basis.secretHash;
    }
    case "token": {
      const from = yield* tokenBy(basis.hash);
      return from?.user_id === token.user_id && from.application_credential_id === null;
    }
  }
}

/** True if at this moment the token that an application credential is made with is there, and has its roles. */
export function* mayMakeCredential(p: {
  readonly row: ApplicationCredentialRow;
  readonly roles: readonly string[];
  readonly tokenHash: string;
}): Steps<boolean> {
  // Stronger than a shared lock, so that credentials of one user are made, and counted, one after another.
  const user = yield* userBy(p.row.user_id, "/*pg FOR NO KEY UPDATE */");
  if (!user?.enabled) return false;
  const roles = expandRoles(yield* rolesOn(p.row.user_id, p.row.project_id));
  if (!p.roles.every((role) => roles.has(role))) return false;
  const seen = yield* tokenBy(p.tokenHash, "");
  if (seen?.user_id !== p.row.user_id || seen.project_id !== p.row.project_id) return false;
  if (seen.application_credential_id !== null) {
    const parent = yield* credentialOf(seen);
    if (!parent?.unrestricted) return false;
    const lent = JSON.parse(parent.roles) as readonly string[];
    if (!p.roles.every((role) => lent.includes(role))) return false;
  }
  return (yield* tokenBy(p.tokenHash)) !== undefined;
}

/** None if the project is gone or disabled. */
function* rolesOn(userId: string, projectId: string): Steps<readonly string[]> {
  const sql = "SELECT * FROM identity_projects WHERE id = ? /*pg FOR SHARE */";
  const project = yield* verifiedIfAny(
    "identity_projects",
    yield* one<Tagged<ProjectRow>>(sql, projectId),
  );
  if (!project?.enabled) return [];
  const rows = yield* all<Tagged<AssignmentRow>>(
    `SELECT * FROM identity_assignments
     WHERE user_id = ? AND project_id = ? ORDER BY role /*pg FOR SHARE */`,
    userId,
    projectId,
  );
  return (yield* verifiedAll("identity_assignments", rows)).map(({ role }) => role);
}

function* credentialOf(token: TokenRow): Steps<ApplicationCredentialRow | undefined> {
  const sql = "SELECT * FROM identity_application_credentials WHERE id = ? /*pg FOR SHARE */";
  const credential = yield* verifiedIfAny(
    "identity_application_credentials",
    yield* one<Tagged<ApplicationCredentialRow>>(sql, token.application_credential_id),
  );
  const fits = credential?.user_id === token.user_id && credential.project_id === token.project_id;
  return fits ? credential : undefined;
}

function* tokenBy(hash: string, lock = "/*pg FOR SHARE */"): Steps<TokenRow | undefined> {
  const sql = `SELECT * FROM identity_tokens WHERE hash = ? ${lock}`;
  return yield* verifiedIfAny("identity_tokens", yield* one<Tagged<TokenRow>>(sql, hash));
}

function* userBy(id: string, lock: string): Steps<UserRow | undefined> {
  const sql = `SELECT * FROM identity_users WHERE id = ? ${lock}`;
  return yield* verifiedIfAny("identity_users", yield* one<Tagged<UserRow>>(sql, id));
}
