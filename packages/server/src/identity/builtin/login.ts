import type { IdentityEvent } from "./builtin-options.ts";
import type { IdentityStore } from "./identity-store.ts";
import { LoginError } from "./login-error.ts";
import type { LoginLimiter } from "./login-limiter.ts";
import type { PasswordHasher } from "./password-hasher.ts";
import {
  type ApplicationCredentialRecord,
  defaultDomain,
  type ProjectRecord,
  type UserRecord,
} from "./records.ts";
import type { LiveToken, TokenKeeper } from "./token-keeper.ts";

/** Names a user or project by id, or by name and domain. A domain other than the only one there is names nobody. */
export type Named =
  | { readonly id: string }
  | { readonly name: string; readonly domain: { readonly id: string } | { readonly name: string } };

/** What a client proves who it is with. */
export type Proof =
  | { readonly method: "password"; readonly user: Named; readonly password: string }
  | { readonly method: "token"; readonly token: string }
  | {
      readonly method: "application_credential";
      readonly credential:
        | { readonly id: string }
        | { readonly name: string; readonly user: Named };
      readonly secret: string;
    };

export interface LoginRequest {
  readonly proof: Proof;
  /** Undefined: unscoped, or what an application credential is made for. */
  readonly project: Named | undefined;
  /** Where the request came from, for the limit on failures. */
  readonly address: string;
  readonly requestId: string;
}

export interface LoginParts {
  readonly store: IdentityStore;
  readonly tokens: TokenKeeper;
  readonly passwords: PasswordHasher;
  readonly limiter: LoginLimiter;
  readonly audit: (event: IdentityEvent) => Promise<void>;
  readonly nowMs: () => number;
}

/** Turns proofs of identity into identity tokens. */
export class Login {
  readonly #parts: LoginParts;

  constructor(parts: LoginParts) {
    this.#parts = parts;
  }

  /**
   * @returns the token, which exists nowhere else, and what it is worth.
   * @throws LoginError `unauthorized`, whatever was wrong: the user, the
   *   password, the project, or the right to it. `too_many` after many failures.
   *   IdentityError `unavailable` if too many log in at this moment.
   */
  async login(
    request: LoginRequest,
  ): Promise<{ readonly token: string; readonly live: LiveToken }> {
    const { limiter, audit } = this.#parts;
    const { proof, address, requestId } = request;
    const claimed = claim(proof);
    const event = { type: "login", method: proof.method, address, requestId } as const;
    // A token has 256 random bits and needs no limit: guessing one is hopeless at any rate.
    const limited = proof.method !== "token";
    const wait = limited ? limiter.waitSeconds(claimed, address) : 0;
    if (wait > 0) {
      throw new LoginError("too_many", "Too many failed logins. Try again later.", wait);
    }
    const end = limited ? limiter.begin(claimed, address) : () => {};
    const grant = await this.#check(request).catch((error: unknown) => {
      end("undecided");
      throw error;
    });
    end(grant ? "succeeded" : "failed");
    if (!grant) {
      const user = await this.#claimant(proof);
      await audit({ ...event, outcome: "refused", ...(user && { userId: user.id }) });
      throw new LoginError("unauthorized", "The request you have made requires authentication.");
    }
    const issued = await this.#parts.tokens.issue(grant);
    const live = await this.#parts.tokens.find(issued.token);
    const [auditId] = issued.record.auditIds;
    if (!live) {
      // The right to it ended while the token was made.
      await audit({ ...event, outcome: "refused", userId: grant.userId });
      throw new LoginError("unauthorized", "The request you have made requires authentication.");
    }
    await audit({
      ...event,
      outcome: "success",
      userId: live.user.id,
      ...(live.project && { projectId: live.project.id }),
      ...(auditId !== undefined && { auditId }),
    });
    return { token: issued.token, live };
  }

  async #check({ proof, project }: LoginRequest): Promise<Grant | undefined> {
    switch (proof.method) {
      case "password": {
        const user = await this.findUser(proof.user);
        if (!(await this.#proves(proof.password, user?.enabled ? user.passwordHash : undefined)))
          return undefined;
        return user && (await this.#scope(user.id, project, ["password"]));
      }
      case "token": {
        const live = await this.#parts.tokens.find(proof.token);
        // An application credential is bound to its project, and so are the tokens got with it.
        if (!live || live.applicationCredential) return undefined;
        const methods = [...new Set([...live.token.methods, "token"])];
        const grant = await this.#scope(live.user.id, project, methods);
        return grant && { ...grant, from: live.token };
      }
      case "application_credential": {
        const credential = await this.#findCredential(proof.credential);
        const user = credential && (await this.#parts.store.findUser({ id: credential.userId }));
        const expired = (credential?.expiresAtMs ?? Infinity) <= this.#parts.nowMs();
        const hash = user?.enabled && !expired ? credential?.secretHash : undefined;
        if (!(await this.#proves(proof.secret, hash)) || !credential) return undefined;
        const grant = await this.#scope(credential.userId, { id: credential.projectId }, [
          "application_credential",
        ]);
        // It says itself what it is for; a client that asks for something else is mistaken.
        if (project && (await this.findProject(project))?.id !== credential.projectId)
          return undefined;
        return grant && { ...grant, applicationCredential: credential };
      }
    }
  }

  /** Undefined if the user has no role there, or there is no such project, or it is disabled. */
  async #scope(
    userId: string,
    project: Named | undefined,
    methods: readonly string[],
  ): Promise<Grant | undefined> {
    if (!project) return { userId, projectId: undefined, methods };
    const found = await this.findProject(project);
    if (!found?.enabled) return undefined;
    const assignments = await this.#parts.store.listAssignments({ userId, projectId: found.id });
    return assignments.length > 0 ? { userId, projectId: found.id, methods } : undefined;
  }

  #proves(secret: string, hash: string | undefined): Promise<boolean> {
    return this.#parts.passwords.verify(secret, hash);
  }

  async findUser(named: Named): Promise<UserRecord | undefined> {
    if (!isOurs(named)) return undefined;
    return await this.#parts.store.findUser(named);
  }

  async findProject(named: Named): Promise<ProjectRecord | undefined> {
    if (!isOurs(named)) return undefined;
    return await this.#parts.store.findProject(named);
  }

  /** Whom a refused login was meant for, as far as there is such a user. */
  async #claimant(proof: Proof): Promise<{ readonly id: string } | undefined> {
    switch (proof.method) {
      case "password":
        return await this.findUser(proof.user);
      case "application_credential": {
        const credential = await this.#findCredential(proof.credential);
        return credential && { id: credential.userId };
      }
      case "token":
        return undefined;
    }
  }

  async #findCredential(
    by: { readonly id: string } | { readonly name: string; readonly user: Named },
  ): Promise<ApplicationCredentialRecord | undefined> {
    if ("id" in by) return await this.#parts.store.findApplicationCredential({ id: by.id });
    const user = await this.findUser(by.user);
    if (!user) return undefined;
    return await this.#parts.store.findApplicationCredential({ userId: user.id, name: by.name });
  }
}

interface Grant {
  readonly userId: string;
  readonly projectId: string | undefined;
  readonly methods: readonly string[];
  readonly from?: LiveToken["token"];
  readonly applicationCredential?: ApplicationCredentialRecord;
}

function isOurs(named: Named): boolean {
  if ("id" in named) return true;
  return "id" in named.domain
    ? named.domain.id === defaultDomain.id
    : named.domain.name === defaultDomain.name;
}

/** What failures are counted under. By id and by name are two counts; an attacker gains a factor of two. */
function claim(proof: Proof): string {
  switch (proof.method) {
    case "password":
      return "id" in proof.user ? proof.user.id : proof.user.name;
    case "application_credential":
      return "id" in proof.credential ? proof.credential.id : proof.credential.name;
    case "token":
      return "";
  }
}
