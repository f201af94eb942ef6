import { networkOf } from "../../model/client-address.ts";
import { maxTokenLength } from "../validated-token.ts";
import type { IdentityEvent } from "./builtin-options.ts";
import { IdentityApiError } from "./identity-api-error.ts";
import type { IdentityStore } from "./identity-store.ts";
import type { ClaimedAccount, LoginLimiter } from "./login-limiter.ts";
import type { PasswordHasher } from "./password-hasher.ts";
import {
  type ApplicationCredentialRecord,
  defaultDomain,
  isDefaultDomainName,
  type ProjectRecord,
  type TokenBasis,
  type UserRecord,
} from "./records.ts";
import type { RefusedLogins } from "./refused-logins.ts";
import type { LiveToken, TokenKeeper } from "./token-keeper.ts";

/** Names a user or project by id, or by name and domain. A domain other than the only one matches no user. */
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
  /** Where the request came from, for the limits on failures. */
  readonly address: string;
  readonly requestId: string;
}

export interface LoginParts {
  readonly store: IdentityStore;
  readonly tokens: TokenKeeper;
  readonly passwords: PasswordHasher;
  readonly limiter: LoginLimiter;
  /** Told of each success. */
  readonly audit: (event: IdentityEvent) => Promise<void>;
  readonly refused: RefusedLogins;
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
   * @throws IdentityApiError `unauthorized`, whatever was wrong: the user, the
   *   password, the project, or the right to it. `too_many` after many failures.
   *   IdentityError `unavailable` if too many log in at this moment.
   */
  async login(
    request: LoginRequest,
  ): Promise<{ readonly token: string; readonly live: LiveToken }> {
    const { proof, address, requestId } = request;
    const { token, live } = await this.#limited(request, () => this.#issue(request));
    const [auditId] = live.token.auditIds;
    await this.#parts.audit({
      type: "login",
      method: proof.method,
      address,
      requestId,
      outcome: "success",
      userId: live.user.id,
      ...(live.project && { projectId: live.project.id }),
      ...(auditId !== undefined && { auditId }),
    });
    return { token, live };
  }

  /**
   * Checks a user's own password, as strictly limited as a login.
   *
   * @returns its hash, so that what is done with it can insist that it is still the user's.
   * @throws IdentityApiError, IdentityError as {@link login}
   */
  async provePassword(request: {
    readonly userId: string;
    readonly password: string;
    readonly address: string;
    readonly requestId: string;
  }): Promise<string> {
    const { userId: id, password, address, requestId } = request;
    const proof = { method: "password", user: { id }, password } as const;
    return await this.#limited(
      { proof, address, requestId },
      async () => await this.#provenHash(password, await this.findUser({ id }), address),
    );
  }

  /** Does what proves something, and refuses if that gives nothing, or if it was tried too often. */
  async #limited<T>(
    { proof, address, requestId }: Omit<LoginRequest, "project">,
    prove: () => Promise<T | undefined>,
  ): Promise<T> {
    const { limiter, refused } = this.#parts;
    const account = claim(proof);
    const wait = account ? limiter.waitSeconds(account, address) : 0;
    if (wait > 0)
      throw new IdentityApiError("too_many", "Too many failed logins. Try again later.", wait);
    const end = limiter.begin(account, address);
    const proven = await prove().catch((error: unknown) => {
      end("undecided");
      throw error;
    });
    end(proven === undefined ? "failed" : "succeeded");
    if (proven !== undefined) return proven;
    const user = await this.#claimant(proof);
    const event = { type: "login", method: proof.method, address, requestId } as const;
    refused.add({ ...event, outcome: "refused", ...(user && { userId: user.id }) });
    await limiter.delayRefusal(address);
    throw new IdentityApiError(
      "unauthorized",
      "The request you have made requires authentication.",
    );
  }

  /** Undefined if the proof fails, or the right to it ended while the token was made. */
  async #issue(
    request: LoginRequest,
  ): Promise<{ readonly token: string; readonly live: LiveToken } | undefined> {
    const { tokens } = this.#parts;
    const grant = await this.#check(request);
    const issued = grant && (await tokens.issue(grant));
    const live = issued && (await tokens.find(issued.token));
    return live && { token: issued.token, live };
  }

  async #check({ proof, project, address }: LoginRequest): Promise<Grant | undefined> {
    switch (proof.method) {
      case "password": {
        const user = await this.findUser(proof.user);
        const passwordHash = await this.#provenHash(proof.password, user, address);
        if (!user || passwordHash === undefined) return undefined;
        const scope = await this.#scope(user.id, project, ["password"]);
        return scope && { ...scope, basis: { method: "password", passwordHash } };
      }
      case "token": {
        if (proof.token.length > maxTokenLength) return undefined;
        const live = await this.#parts.tokens.find(proof.token);
        // An application credential is bound to its project, and so are the tokens got with it.
        if (!live || live.applicationCredential) return undefined;
        const methods = [...new Set([...live.token.methods, "token"])];
        const scope = await this.#scope(live.user.id, project, methods);
        const basis = { method: "token", hash: live.token.hash } as const;
        return scope && { ...scope, basis, from: live.token };
      }
      case "application_credential": {
        const credential = await this.#findCredential(proof.credential);
        const user = credential && (await this.#parts.store.findUser({ id: credential.userId }));
        const expired = (credential?.expiresAtMs ?? Infinity) <= this.#parts.nowMs();
        const hash = user?.enabled && !expired ? credential?.secretHash : undefined;
        if (!(await this.#proves(proof.secret, hash, address)) || !credential) return undefined;
        const scope = await this.#scope(credential.userId, { id: credential.projectId }, [
          "application_credential",
        ]);
        // It says itself what it is for; a client that asks for something else is mistaken.
        if (project && (await this.findProject(project))?.id !== credential.projectId)
          return undefined;
        const { secretHash } = credential;
        const basis = { method: "application_credential", secretHash } as const;
        return scope && { ...scope, basis, applicationCredential: credential };
      }
    }
  }

  /** Undefined if the user has no role there, or there is no such project, or it is disabled. */
  async #scope(
    userId: string,
    project: Named | undefined,
    methods: readonly string[],
  ): Promise<Scope | undefined> {
    if (!project) return { userId, projectId: undefined, methods };
    const found = await this.findProject(project);
    if (!found?.enabled) return undefined;
    const assignments = await this.#parts.store.listAssignments({ userId, projectId: found.id });
    return assignments.length > 0 ? { userId, projectId: found.id, methods } : undefined;
  }

  /** The hash that was compared, if the password is right and the user enabled. */
  async #provenHash(
    password: string,
    user: UserRecord | undefined,
    address: string,
  ): Promise<string | undefined> {
    const hash = user?.enabled ? user.passwordHash : undefined;
    return (await this.#proves(password, hash, address)) ? hash : undefined;
  }

  #proves(secret: string, hash: string | undefined, address: string): Promise<boolean> {
    return this.#parts.passwords.verify(secret, hash, networkOf(address));
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

interface Scope {
  readonly userId: string;
  readonly projectId: string | undefined;
  readonly methods: readonly string[];
}

interface Grant extends Scope {
  readonly basis: TokenBasis;
  readonly from?: LiveToken["token"];
  readonly applicationCredential?: ApplicationCredentialRecord;
}

function isOurs(named: Named): boolean {
  if ("id" in named) return true;
  return "id" in named.domain
    ? named.domain.id === defaultDomain.id
    : isDefaultDomainName(named.domain.name);
}

/**
 * What failures are counted under. By id and by name are two counts; an attacker
 * gains a factor of two. A token has 256 random bits and no account to guess at.
 */
function claim(proof: Proof): ClaimedAccount | undefined {
  switch (proof.method) {
    case "password":
      return ["user", ...claimOf(proof.user)];
    case "application_credential": {
      const { credential } = proof;
      if ("id" in credential) return ["credential", "id", credential.id];
      return ["credential", "name", credential.name, ...claimOf(credential.user)];
    }
    case "token":
      return undefined;
  }
}

function claimOf(named: Named): ClaimedAccount {
  if ("id" in named) return ["id", named.id];
  const { name, domain } = named;
  if (isOurs(named)) return ["name", name];
  return ["name", name, "id" in domain ? domain.id : "", "name" in domain ? domain.name : ""];
}
