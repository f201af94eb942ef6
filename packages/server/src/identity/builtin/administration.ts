import { IdentityApiError } from "./identity-api-error.ts";
import type { IdentityStore } from "./identity-store.ts";
import { maxPasswordBytes, type PasswordHasher } from "./password-hasher.ts";
import { newId } from "./random-ids.ts";
import type { Assignment, ProjectRecord, UserRecord } from "./records.ts";

/** What the administration of users works on. */
export interface AdministrationParts {
  readonly store: IdentityStore;
  readonly passwords: PasswordHasher;
  /** Erases what is kept for a project. Default: there is nothing. */
  readonly eraseProject?: (projectId: string) => Promise<void>;
  /** Called after each change that may end tokens. Default: nothing, for a command beside the server. */
  readonly changed?: () => void;
  /** Default: the system's clock. */
  readonly nowMs?: () => number;
}

/** What `user list` shows: never the password's hash. */
export type UserInfo = Omit<UserRecord, "passwordHash">;

/**
 * Makes and changes users, projects and roles. Behind `chatelaine server
 * user|project|role …` and the administrative part of the Keystone API.
 *
 * Users and projects are named by id or by name. Rejects with a
 * {@link IdentityApiError}: `not_found`, `conflict` for a name that is taken,
 * `bad_request` for what cannot be a name, a role or a password.
 */
export class Administration {
  readonly #store: IdentityStore;
  readonly #passwords: PasswordHasher;
  readonly #eraseProject: (projectId: string) => Promise<void>;
  readonly #changed: () => void;
  readonly #nowMs: () => number;

  constructor(parts: AdministrationParts) {
    this.#store = parts.store;
    this.#passwords = parts.passwords;
    this.#eraseProject = parts.eraseProject ?? (() => Promise.resolve());
    this.#changed = parts.changed ?? (() => {});
    this.#nowMs = parts.nowMs ?? Date.now;
  }

  /** @throws IdentityApiError if the name is taken, or name or password are no good */
  async createUser(user: {
    readonly name: string;
    readonly password: string;
    /** Default: true. */
    readonly enabled?: boolean;
  }): Promise<UserInfo> {
    refuseBadName("user", user.name);
    const { passwordHash, ...info } = {
      id: newId(),
      name: user.name,
      passwordHash: await this.#hash(user.password),
      enabled: user.enabled ?? true,
      createdAtMs: this.#nowMs(),
    };
    if (!(await this.#store.insertUser({ ...info, passwordHash }))) throw taken("user", user.name);
    return info;
  }

  /** By name. */
  async listUsers(): Promise<readonly UserInfo[]> {
    return (await this.#store.listUsers()).map(withoutHash);
  }

  /** @throws IdentityApiError `not_found` */
  async findUser(idOrName: string): Promise<UserInfo> {
    return withoutHash(await this.#user(idOrName));
  }

  /** Ends the user's tokens. */
  async setPassword(idOrName: string, password: string): Promise<void> {
    const passwordHash = await this.#hash(password);
    await this.#updateUser(idOrName, { passwordHash });
  }

  /**
   * Ends the user's tokens.
   *
   * @throws IdentityApiError `unauthorized`, and nothing is changed, if the password is no longer the one that was proven
   */
  async changePassword(userId: string, password: string, provenHash: string): Promise<void> {
    const passwordHash = await this.#hash(password);
    const changed = await this.#store.updateUser(userId, { passwordHash, provenHash });
    this.#changed();
    if (!changed)
      throw new IdentityApiError(
        "unauthorized",
        "The request you have made requires authentication.",
      );
  }

  /** Ends the user's tokens, in either direction. */
  async setUserEnabled(idOrName: string, enabled: boolean): Promise<void> {
    await this.#updateUser(idOrName, { enabled });
  }

  /** What the user stored in the key server stays, and belongs to the projects. */
  async deleteUser(idOrName: string): Promise<void> {
    await this.#store.deleteUser((await this.#user(idOrName)).id);
    this.#changed();
  }

  /** @throws IdentityApiError if the name is taken or no good */
  async createProject(project: {
    readonly name: string;
    readonly description?: string;
    readonly enabled?: boolean;
  }): Promise<ProjectRecord> {
    refuseBadName("project", project.name);
    const record = {
      id: newId(),
      name: project.name,
      description: project.description ?? "",
      enabled: project.enabled ?? true,
      createdAtMs: this.#nowMs(),
    };
    if (!(await this.#store.insertProject(record))) throw taken("project", project.name);
    return record;
  }

  /** By name. */
  listProjects(): Promise<readonly ProjectRecord[]> {
    return this.#store.listProjects();
  }

  /** @throws IdentityApiError `not_found` */
  async findProject(idOrName: string): Promise<ProjectRecord> {
    const found =
      (await this.#store.findProject({ id: idOrName })) ??
      (await this.#store.findProject({ name: idOrName }));
    if (!found) throw new IdentityApiError("not_found", `Could not find project: ${idOrName}.`);
    return found;
  }

  /** Nobody can log in to a project that is not enabled. @throws IdentityApiError `not_found` */
  async setProjectEnabled(idOrName: string, enabled: boolean): Promise<void> {
    await this.#store.setProjectEnabled((await this.findProject(idOrName)).id, enabled);
    this.#changed();
  }

  /** Erases all its data, then the project. An interrupted deletion leaves it disabled, so it can be repeated. */
  async deleteProject(idOrName: string): Promise<ProjectRecord> {
    const project = await this.findProject(idOrName);
    await this.setProjectEnabled(project.id, false); // so that nothing is added in the meantime
    await this.#eraseProject(project.id);
    await this.#store.deleteProject(project.id);
    this.#changed();
    return project;
  }

  /** Any name may be a role; the policy says which mean something: admin, member, reader in the default one. */
  async grantRole(user: string, project: string, role: string): Promise<Assignment> {
    if (!/^[\w:.-]{1,64}$/.test(role)) {
      throw new IdentityApiError("bad_request", "A role has 1 to 64 letters, digits, or _ : . -");
    }
    const assignment = await this.#assignment(user, project, role);
    if (!(await this.#store.insertAssignment(assignment))) {
      throw new IdentityApiError("not_found", "The user or project was deleted meanwhile.");
    }
    this.#changed();
    return assignment;
  }

  /** @throws IdentityApiError `not_found` if the user does not have it there */
  async revokeRole(user: string, project: string, role: string): Promise<void> {
    const assignment = await this.#assignment(user, project, role);
    if (!(await this.#store.deleteAssignment(assignment))) {
      throw new IdentityApiError("not_found", `The user does not have the role ${role} there.`);
    }
    this.#changed();
  }

  /** Who has which role where; of one user, of one project, or all. */
  async listRoles(filter: {
    readonly user?: string;
    readonly project?: string;
  }): Promise<readonly Assignment[]> {
    return await this.#store.listAssignments({
      ...(filter.user !== undefined && { userId: (await this.#user(filter.user)).id }),
      ...(filter.project !== undefined && {
        projectId: (await this.findProject(filter.project)).id,
      }),
    });
  }

  async #assignment(user: string, project: string, role: string): Promise<Assignment> {
    return {
      userId: (await this.#user(user)).id,
      projectId: (await this.findProject(project)).id,
      role: role.toLowerCase(),
    };
  }

  async #updateUser(
    idOrName: string,
    change: { readonly passwordHash: string } | { readonly enabled: boolean },
  ): Promise<void> {
    await this.#store.updateUser((await this.#user(idOrName)).id, change);
    this.#changed();
  }

  async #user(idOrName: string): Promise<UserRecord> {
    const found =
      (await this.#store.findUser({ id: idOrName })) ??
      (await this.#store.findUser({ name: idOrName }));
    if (!found) throw new IdentityApiError("not_found", `Could not find user: ${idOrName}.`);
    return found;
  }

  async #hash(password: string): Promise<string> {
    if (password === "" || Buffer.byteLength(password) > maxPasswordBytes) {
      throw new IdentityApiError("bad_request", `A password has 1 to ${maxPasswordBytes} bytes.`);
    }
    return await this.#passwords.hash(password);
  }
}

function withoutHash({ id, name, enabled, createdAtMs }: UserRecord): UserInfo {
  return { id, name, enabled, createdAtMs };
}

/** @throws IdentityApiError `bad_request` */
export function refuseBadName(what: string, name: string): void {
  if (name.trim() === "" || name.length > 255 || /\p{Cc}/u.test(name)) {
    throw new IdentityApiError(
      "bad_request",
      `A ${what}'s name has 1 to 255 printable characters.`,
    );
  }
}

function taken(what: string, name: string): IdentityApiError {
  return new IdentityApiError("conflict", `There is a ${what} named ${name} already.`);
}
