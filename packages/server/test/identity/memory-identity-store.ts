import type { IdentityStore } from "../../src/identity/builtin/identity-store.ts";
import type {
  ApplicationCredentialBasis,
  ApplicationCredentialRecord,
  Assignment,
  ProjectRecord,
  TokenBasis,
  TokenContext,
  TokenRecord,
  UserRecord,
} from "../../src/identity/builtin/records.ts";
import { expandRoles } from "../../src/policy/roles.ts";

/** An identity store without a database, for tests of what stands on it. It keeps the same promises. */
export class MemoryIdentityStore implements IdentityStore {
  readonly #users = new Map<string, UserRecord>();
  readonly #projects = new Map<string, ProjectRecord>();
  readonly #assignments = new Map<string, Assignment>();
  readonly #credentials = new Map<string, ApplicationCredentialRecord>();
  readonly #tokens = new Map<string, TokenRecord>();

  async insertUser(user: UserRecord): Promise<boolean> {
    return insert(this.#users, user);
  }

  async findUser(by: { id: string } | { name: string }): Promise<UserRecord | undefined> {
    return find(this.#users, by);
  }

  async listUsers(): Promise<readonly UserRecord[]> {
    return byName(this.#users.values());
  }

  async updateUser(
    id: string,
    change: { passwordHash: string; provenHash?: string } | { enabled: boolean },
  ): Promise<boolean> {
    const user = this.#users.get(id);
    if (!user) return false;
    const { provenHash, ...changed } = { provenHash: undefined, ...change };
    if (user.passwordHash !== (provenHash ?? user.passwordHash)) return false;
    this.#users.set(id, { ...user, ...changed });
    this.#endTokens((token) => token.userId === id);
    return true;
  }

  async deleteUser(id: string): Promise<boolean> {
    this.#endTokens((token) => token.userId === id);
    remove(this.#assignments, ({ userId }) => userId === id);
    remove(this.#credentials, ({ userId }) => userId === id);
    return this.#users.delete(id);
  }

  async insertProject(project: ProjectRecord): Promise<boolean> {
    return insert(this.#projects, project);
  }

  async findProject(by: { id: string } | { name: string }): Promise<ProjectRecord | undefined> {
    return find(this.#projects, by);
  }

  async listProjects(): Promise<readonly ProjectRecord[]> {
    return byName(this.#projects.values());
  }

  async setProjectEnabled(id: string, enabled: boolean): Promise<boolean> {
    const project = this.#projects.get(id);
    if (!project) return false;
    this.#projects.set(id, { ...project, enabled });
    this.#endTokens((token) => token.projectId === id);
    return true;
  }

  async deleteProject(id: string): Promise<boolean> {
    this.#endTokens((token) => token.projectId === id);
    remove(this.#assignments, ({ projectId }) => projectId === id);
    remove(this.#credentials, ({ projectId }) => projectId === id);
    return this.#projects.delete(id);
  }

  async insertAssignment(assignment: Assignment): Promise<boolean> {
    if (!this.#users.has(assignment.userId) || !this.#projects.has(assignment.projectId))
      return false;
    this.#assignments.set(assignmentKey(assignment), assignment);
    return true;
  }

  async deleteAssignment(assignment: Assignment): Promise<boolean> {
    return this.#assignments.delete(assignmentKey(assignment));
  }

  async listAssignments(filter: {
    userId?: string;
    projectId?: string;
  }): Promise<readonly Assignment[]> {
    return [...this.#assignments.values()]
      .filter(
        ({ userId, projectId }) =>
          userId === (filter.userId ?? userId) && projectId === (filter.projectId ?? projectId),
      )
      .toSorted((a, b) => (assignmentKey(a) < assignmentKey(b) ? -1 : 1));
  }

  async insertApplicationCredential(
    credential: ApplicationCredentialRecord,
    { tokenHash, maxPerUser }: ApplicationCredentialBasis,
  ): Promise<"made" | "ended" | "taken" | "too_many"> {
    const { userId, projectId } = credential;
    const token = this.#tokens.get(tokenHash);
    const parent = this.#credentials.get(token?.applicationCredentialId ?? "");
    const roles = expandRoles(this.#rolesOn(userId, projectId));
    if (
      token?.userId !== userId ||
      token.projectId !== projectId ||
      (token.applicationCredentialId !== undefined && !parent?.unrestricted) ||
      credential.roles.some((role) => !roles.has(role) || parent?.roles.includes(role) === false)
    )
      return "ended";
    const mine = [...this.#credentials.values()].filter((c) => c.userId === userId);
    if (mine.length >= maxPerUser) return "too_many";
    if (mine.some(({ name }) => name === credential.name)) return "taken";
    this.#credentials.set(credential.id, credential);
    return "made";
  }

  /** None if the user or the project is gone or disabled. */
  #rolesOn(userId: string, projectId: string): readonly string[] {
    if (!this.#users.get(userId)?.enabled || !this.#projects.get(projectId)?.enabled) return [];
    return [...this.#assignments.values()]
      .filter((one) => one.userId === userId && one.projectId === projectId)
      .map(({ role }) => role);
  }

  async findApplicationCredential(
    by: { id: string } | { userId: string; name: string },
  ): Promise<ApplicationCredentialRecord | undefined> {
    if (!("userId" in by)) return this.#credentials.get(by.id);
    return [...this.#credentials.values()].find(
      ({ userId, name }) => userId === by.userId && name === by.name,
    );
  }

  async listApplicationCredentials(
    userId: string,
  ): Promise<readonly ApplicationCredentialRecord[]> {
    return byName([...this.#credentials.values()].filter((c) => c.userId === userId));
  }

  async deleteApplicationCredential(userId: string, id: string): Promise<boolean> {
    if (this.#credentials.get(id)?.userId !== userId) return false;
    this.#endTokens((token) => token.applicationCredentialId === id);
    return this.#credentials.delete(id);
  }

  async insertToken(token: TokenRecord, basis: TokenBasis): Promise<boolean> {
    if (!this.#mayIssue(token, basis)) return false;
    this.#tokens.set(token.hash, token);
    return true;
  }

  #mayIssue(token: TokenRecord, basis: TokenBasis): boolean {
    const user = this.#users.get(token.userId);
    if (!user?.enabled) return false;
    if (token.projectId !== undefined && this.#rolesOn(user.id, token.projectId).length === 0)
      return false;
    switch (basis.method) {
      case "password":
        return user.passwordHash === basis.passwordHash;
      case "token": {
        const from = this.#tokens.get(basis.hash);
        return from?.userId === user.id && from.applicationCredentialId === undefined;
      }
      case "application_credential":
        return (
          this.#credentials.get(token.applicationCredentialId ?? "")?.secretHash ===
          basis.secretHash
        );
    }
  }

  async findToken(hash: string): Promise<TokenContext | undefined> {
    const token = this.#tokens.get(hash);
    const user = token && this.#users.get(token.userId);
    if (!token || !user) return undefined;
    const { projectId, applicationCredentialId, userId } = token;
    const assignments =
      projectId === undefined ? [] : await this.listAssignments({ userId, projectId });
    return {
      token,
      user,
      project: projectId === undefined ? undefined : this.#projects.get(projectId),
      roles: assignments.map(({ role }) => role),
      applicationCredential:
        applicationCredentialId === undefined
          ? undefined
          : this.#credentials.get(applicationCredentialId),
    };
  }

  async deleteToken(hash: string): Promise<boolean> {
    return this.#tokens.delete(hash);
  }

  async deleteTokensExpiredBefore(timeMs: number): Promise<number> {
    return this.#endTokens((token) => token.expiresAtMs < timeMs);
  }

  #endTokens(which: (token: TokenRecord) => boolean): number {
    return remove(this.#tokens, which);
  }
}

function assignmentKey({ userId, projectId, role }: Assignment): string {
  return JSON.stringify([userId, projectId, role]);
}

function insert<T extends { id: string; name: string }>(map: Map<string, T>, item: T): boolean {
  if (find(map, { name: item.name })) return false;
  map.set(item.id, item);
  return true;
}

function find<T extends { name: string }>(
  map: ReadonlyMap<string, T>,
  by: { id: string } | { name: string },
): T | undefined {
  if ("id" in by) return map.get(by.id);
  return [...map.values()].find(({ name }) => name === by.name);
}

function remove<T>(map: Map<string, T>, which: (item: T) => boolean): number {
  const gone = [...map].filter(([, item]) => which(item));
  for (const [key] of gone) map.delete(key);
  return gone.length;
}

function byName<T extends { name: string }>(items: Iterable<T>): readonly T[] {
  return [...items].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
