import type { Store } from "../../../store/store.ts";
import type { IdentityStore } from "../identity-store.ts";
import type {
  ApplicationCredentialBasis,
  ApplicationCredentialRecord,
  Assignment,
  ProjectRecord,
  TokenBasis,
  TokenContext,
  TokenRecord,
  UserRecord,
} from "../records.ts";
import * as operations from "./operations.ts";
import {
  type AssignmentRow,
  applicationCredentialOf,
  assignmentOf,
  projectOf,
  tokenOf,
  toText,
  userOf,
} from "./rows.ts";

/** Keeps identity in the key server's own database, SQLite or PostgreSQL. */
export class SqlIdentityStore implements IdentityStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async insertUser(user: UserRecord): Promise<boolean> {
    const changes = await this.#store.write(operations.insertUser, {
      id: user.id,
      name: user.name,
      password_hash: user.passwordHash,
      enabled: Number(user.enabled),
      created: toText(user.createdAtMs),
    });
    return changes > 0;
  }

  async findUser(by: { id: string } | { name: string }): Promise<UserRecord | undefined> {
    const row = await this.#store.read(operations.findUser, by);
    return row && userOf(row);
  }

  async listUsers(): Promise<readonly UserRecord[]> {
    return (await this.#store.read(operations.listUsers, null)).map(userOf);
  }

  async updateUser(
    id: string,
    change: { passwordHash: string; provenHash?: string } | { enabled: boolean },
  ): Promise<boolean> {
    const changes = await this.#store.write(operations.updateUser, {
      id,
      passwordHash: "passwordHash" in change ? change.passwordHash : null,
      provenHash: "passwordHash" in change ? (change.provenHash ?? null) : null,
      enabled: "enabled" in change ? Number(change.enabled) : null,
    });
    return changes > 0;
  }

  async deleteUser(id: string): Promise<boolean> {
    return (await this.#store.write(operations.deleteUser, { id })) > 0;
  }

  async insertProject(project: ProjectRecord): Promise<boolean> {
    const changes = await this.#store.write(operations.insertProject, {
      id: project.id,
      name: project.name,
      description: project.description,
      enabled: Number(project.enabled),
      created: toText(project.createdAtMs),
    });
    return changes > 0;
  }

  async findProject(by: { id: string } | { name: string }): Promise<ProjectRecord | undefined> {
    const row = await this.#store.read(operations.findProject, by);
    return row && projectOf(row);
  }

  async listProjects(): Promise<readonly ProjectRecord[]> {
    return (await this.#store.read(operations.listProjects, null)).map(projectOf);
  }

  async setProjectEnabled(id: string, enabled: boolean): Promise<boolean> {
    const parameters = { id, enabled: Number(enabled) };
    return (await this.#store.write(operations.setProjectEnabled, parameters)) > 0;
  }

  async deleteProject(id: string): Promise<boolean> {
    return (await this.#store.write(operations.deleteProject, { id })) > 0;
  }

  async insertAssignment(assignment: Assignment): Promise<boolean> {
    return await this.#store.write(operations.insertAssignment, rowOf(assignment));
  }

  async deleteAssignment(assignment: Assignment): Promise<boolean> {
    return (await this.#store.write(operations.deleteAssignment, rowOf(assignment))) > 0;
  }

  async listAssignments(filter: {
    userId?: string;
    projectId?: string;
  }): Promise<readonly Assignment[]> {
    const rows = await this.#store.read(operations.listAssignments, {
      userId: filter.userId ?? null,
      projectId: filter.projectId ?? null,
    });
    return rows.map(assignmentOf);
  }

  async insertApplicationCredential(
    credential: ApplicationCredentialRecord,
    { tokenHash, maxPerUser }: ApplicationCredentialBasis,
  ): Promise<"made" | "ended" | "taken" | "too_many"> {
    const { accessRules, expiresAtMs } = credential;
    const row = {
      id: credential.id,
      user_id: credential.userId,
      project_id: credential.projectId,
      name: credential.name,
      description: credential.description,
      secret_hash: credential.secretHash,
      roles: JSON.stringify(credential.roles),
      unrestricted: Number(credential.unrestricted),
      access_rules: accessRules ? JSON.stringify(accessRules) : null,
      expires: expiresAtMs === undefined ? null : toText(expiresAtMs),
      created: toText(credential.createdAtMs),
    };
    const { roles } = credential;
    const parameters = { row, roles, tokenHash, maxPerUser };
    return await this.#store.write(operations.insertApplicationCredential, parameters);
  }

  async findApplicationCredential(
    by: { id: string } | { userId: string; name: string },
  ): Promise<ApplicationCredentialRecord | undefined> {
    const row = await this.#store.read(operations.findApplicationCredential, by);
    return row && applicationCredentialOf(row);
  }

  async listApplicationCredentials(
    userId: string,
  ): Promise<readonly ApplicationCredentialRecord[]> {
    const rows = await this.#store.read(operations.listApplicationCredentials, { userId });
    return rows.map(applicationCredentialOf);
  }

  async deleteApplicationCredential(userId: string, id: string): Promise<boolean> {
    return (await this.#store.write(operations.deleteApplicationCredential, { userId, id })) > 0;
  }

  async insertToken(token: TokenRecord, basis: TokenBasis): Promise<boolean> {
    const row = {
      hash: token.hash,
      user_id: token.userId,
      project_id: token.projectId ?? null,
      application_credential_id: token.applicationCredentialId ?? null,
      methods: JSON.stringify(token.methods),
      audit_ids: JSON.stringify(token.auditIds),
      issued: toText(token.issuedAtMs),
      expires: toText(token.expiresAtMs),
    };
    return await this.#store.write(operations.insertToken, { row, basis });
  }

  async findToken(hash: string): Promise<TokenContext | undefined> {
    const found = await this.#store.read(operations.findToken, { hash });
    if (!found) return undefined;
    return {
      token: tokenOf(found.token),
      user: userOf(found.user),
      project: found.project && projectOf(found.project),
      roles: found.assignments.map(({ role }) => role),
      applicationCredential: found.credential && applicationCredentialOf(found.credential),
    };
  }

  async deleteToken(hash: string): Promise<boolean> {
    return (await this.#store.write(operations.deleteToken, { hash })) > 0;
  }

  async deleteTokensExpiredBefore(timeMs: number): Promise<number> {
    return await this.#store.write(operations.deleteTokensExpiredBefore, { time: toText(timeMs) });
  }
}

function rowOf({ userId, projectId, role }: Assignment): AssignmentRow {
  return { user_id: userId, project_id: projectId, role };
}
