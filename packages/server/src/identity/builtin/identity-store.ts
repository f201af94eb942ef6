import type {
  ApplicationCredentialRecord,
  Assignment,
  ProjectRecord,
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
  /** Ends the user's tokens. Resolves to false if there is no such user. */
  updateUser(
    id: string,
    change: { readonly passwordHash: string } | { readonly enabled: boolean },
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

  /** Resolves to false if the user has one of that name. */
  insertApplicationCredential(credential: ApplicationCredentialRecord): Promise<boolean>;
  /** Undefined if there is none. */
  findApplicationCredential(
    by: { readonly id: string } | { readonly userId: string; readonly name: string },
  ): Promise<ApplicationCredentialRecord | undefined>;
  /** By name. */
  listApplicationCredentials(userId: string): Promise<readonly ApplicationCredentialRecord[]>;
  /** With its tokens. */
  deleteApplicationCredential(userId: string, id: string): Promise<boolean>;

  /** By the hash of its text, which is kept nowhere. */
  insertToken(token: TokenRecord): Promise<void>;
  /** With its user, project and roles as they are now. Undefined if there is none. */
  findToken(hash: string): Promise<TokenContext | undefined>;
  /** Resolves to false if there was none. */
  deleteToken(hash: string): Promise<boolean>;
  /** Resolves to how many there were. */
  deleteTokensExpiredBefore(timeMs: number): Promise<number>;
}
