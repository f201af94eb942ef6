import type {
  ApplicationCredentialBasis,
  ApplicationCredentialRecord,
  Assignment,
  ProjectRecord,
  TokenBasis,
  TokenContext,
  TokenRecord,
  UserRecord,
} from "./records.ts";

/**
 * Keeps users, projects, roles and tokens. Each call is one transaction, and
 * durable when it resolves. Rejects only if the database cannot be asked now.
 *
 * What is deleted or disabled takes its tokens along in the same transaction,
 * so that nothing outlives the right to it.
 */
export interface IdentityStore {
  /** Resolves to false if the name is taken. */
  insertUser(user: UserRecord): Promise<boolean>;
  /** Undefined if there is none. */
  findUser(
    by: { readonly id: string } | { readonly name: string },
  ): Promise<UserRecord | undefined>;
  /** By name. */
  listUsers(): Promise<readonly UserRecord[]>;
  /**
   * Ends the user's tokens. Resolves to false if there is no such user, or if
   * the password is no longer `provenHash`'s, where that is given.
   */
  updateUser(
    id: string,
    change:
      | { readonly passwordHash: string; readonly provenHash?: string }
      | { readonly enabled: boolean },
  ): Promise<boolean>;
  /** With the user's tokens, roles and application credentials. */
  deleteUser(id: string): Promise<boolean>;

  /** Resolves to false if the name is taken. */
  insertProject(project: ProjectRecord): Promise<boolean>;
  /** Undefined if there is none. */
  findProject(
    by: { readonly id: string } | { readonly name: string },
  ): Promise<ProjectRecord | undefined>;
  /** By name. */
  listProjects(): Promise<readonly ProjectRecord[]>;
  /** Resolves to false if there is no such project. */
  setProjectEnabled(id: string, enabled: boolean): Promise<boolean>;
  /** With its tokens, roles and application credentials; not what the key server keeps for it. */
  deleteProject(id: string): Promise<boolean>;

  /** Nothing happens if the user has the role already. Resolves to false if there is no such user or project. */
  insertAssignment(assignment: Assignment): Promise<boolean>;
  /** Resolves to false if there was none. */
  deleteAssignment(assignment: Assignment): Promise<boolean>;
  /** Of one user, of one project, or all. */
  listAssignments(filter: {
    readonly userId?: string;
    readonly projectId?: string;
  }): Promise<readonly Assignment[]>;

  /**
   * Looks once more, in the same transaction, at what the user's right to it
   * rests on. Resolves to `ended` if that is gone, to `taken` if the user has one
   * of that name, to `too_many` if the user has as many as one may have.
   */
  insertApplicationCredential(
    credential: ApplicationCredentialRecord,
    basis: ApplicationCredentialBasis,
  ): Promise<"made" | "ended" | "taken" | "too_many">;
  /** Undefined if there is none. */
  findApplicationCredential(
    by: { readonly id: string } | { readonly userId: string; readonly name: string },
  ): Promise<ApplicationCredentialRecord | undefined>;
  /** By name. */
  listApplicationCredentials(userId: string): Promise<readonly ApplicationCredentialRecord[]>;
  /** With its tokens. */
  deleteApplicationCredential(userId: string, id: string): Promise<boolean>;

  /**
   * Keeps a token by the hash of its text, which is kept nowhere. Resolves to
   * false, and keeps nothing, if at that moment the proof no longer holds, the
   * user or the project is gone or disabled, or the user has no role there: a
   * change that commits first leaves no token behind, and one that commits later
   * ends it.
   */
  insertToken(token: TokenRecord, basis: TokenBasis): Promise<boolean>;
  /** With its user, project and roles as they are now. Undefined if there is none. */
  findToken(hash: string): Promise<TokenContext | undefined>;
  /** Resolves to false if there was none. */
  deleteToken(hash: string): Promise<boolean>;
  /** Resolves to how many there were. */
  deleteTokensExpiredBefore(timeMs: number): Promise<number>;
}
