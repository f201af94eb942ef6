import { randomBytes } from "node:crypto";
import type { AccessRule } from "../access-rules.ts";
import { refuseBadName } from "./administration.ts";
import { IdentityApiError } from "./identity-api-error.ts";
import type { IdentityStore } from "./identity-store.ts";
import { maxPasswordBytes, type PasswordHasher } from "./password-hasher.ts";
import { newId } from "./random-ids.ts";
import type { ApplicationCredentialRecord } from "./records.ts";
import type { LiveToken } from "./token-keeper.ts";

/** What a user asks for. */
export interface ApplicationCredentialRequest {
  readonly name: string;
  readonly description: string;
  /** Default: 512 random bits. */
  readonly secret: string | undefined;
  /** By name. Default: all that the user has on the project. */
  readonly roles: readonly string[] | undefined;
  readonly unrestricted: boolean;
  readonly accessRules: readonly AccessRule[] | undefined;
  readonly expiresAtMs: number | undefined;
}

/** How many of them one user may have, so that no user fills the database. */
const maxPerUser = 100;

/**
 * A user's own application credentials, for programs that should neither know
 * the password nor be able to do everything its owner can.
 *
 * https://docs.openstack.org/api-ref/identity/v3/#application-credentials
 */
export class ApplicationCredentials {
  readonly #parts: {
    readonly store: IdentityStore;
    readonly passwords: PasswordHasher;
    readonly changed: () => void;
    readonly nowMs: () => number;
  };

  constructor(parts: {
    readonly store: IdentityStore;
    readonly passwords: PasswordHasher;
    readonly changed: () => void;
    readonly nowMs: () => number;
  }) {
    this.#parts = parts;
  }

  /**
   * Makes one for the project that the caller's token is scoped to.
   *
   * @returns the record, and the secret, which exists nowhere else.
   * @throws IdentityApiError `forbidden` with a token of an application credential that
   *   is not unrestricted, or if the user has too many; `bad_request`; `conflict` for a
   *   name that is taken; `unauthorized` if the role was revoked in the meantime.
   */
  async create(
    caller: LiveToken,
    request: ApplicationCredentialRequest,
  ): Promise<{ readonly record: ApplicationCredentialRecord; readonly secret: string }> {
    refuseRestricted(caller);
    const { project, user } = caller;
    if (!project) {
      throw new IdentityApiError("bad_request", "The token is not scoped to a project.");
    }
    refuseBadName("application credential", request.name);
    const roles = request.roles ?? caller.roles;
    const missing = roles.find((role) => !caller.roles.includes(role));
    if (missing !== undefined || roles.length === 0) {
      throw new IdentityApiError(
        "bad_request",
        `You do not have the role ${missing ?? "needed"} there.`,
      );
    }
    if (request.expiresAtMs !== undefined && request.expiresAtMs <= this.#parts.nowMs()) {
      throw new IdentityApiError("bad_request", "expires_at has passed already.");
    }
    if (Buffer.byteLength(request.secret ?? "x") > maxPasswordBytes || request.secret === "") {
      throw new IdentityApiError("bad_request", `A secret has 1 to ${maxPasswordBytes} bytes.`);
    }
    const secret = request.secret ?? randomBytes(64).toString("base64url");
    const record: ApplicationCredentialRecord = {
      id: newId(),
      name: request.name,
      description: request.description,
      userId: user.id,
      projectId: project.id,
      secretHash: await this.#parts.passwords.hash(secret),
      roles: [...new Set(roles)],
      unrestricted: request.unrestricted,
      accessRules: request.accessRules,
      expiresAtMs: request.expiresAtMs,
      createdAtMs: this.#parts.nowMs(),
    };
    const basis = { tokenHash: caller.token.hash, maxPerUser };
    switch (await this.#parts.store.insertApplicationCredential(record, basis)) {
      case "made":
        return { record, secret };
      case "taken":
        throw new IdentityApiError("conflict", "There is one of that name already.");
      case "too_many":
        throw new IdentityApiError(
          "forbidden",
          `A user has at most ${maxPerUser} application credentials.`,
        );
      case "ended":
        throw new IdentityApiError(
          "unauthorized",
          "The request you have made requires authentication.",
        );
    }
  }

  list(userId: string): Promise<readonly ApplicationCredentialRecord[]> {
    return this.#parts.store.listApplicationCredentials(userId);
  }

  /** @throws IdentityApiError `not_found` */
  async find(userId: string, id: string): Promise<ApplicationCredentialRecord> {
    const found = await this.#parts.store.findApplicationCredential({ id });
    if (found?.userId !== userId) throw notFound(id);
    return found;
  }

  /** Ends its tokens. @throws IdentityApiError `not_found`, `forbidden` as {@link create} */
  async delete(caller: LiveToken, userId: string, id: string): Promise<void> {
    refuseRestricted(caller);
    if (!(await this.#parts.store.deleteApplicationCredential(userId, id))) throw notFound(id);
    this.#parts.changed();
  }
}

/** Else a stolen credential could make itself successors. */
function refuseRestricted(caller: LiveToken): void {
  const { applicationCredential } = caller;
  if (applicationCredential && !applicationCredential.unrestricted) {
    throw new IdentityApiError(
      "forbidden",
      "This application credential may not manage application credentials.",
    );
  }
}

function notFound(id: string): IdentityApiError {
  return new IdentityApiError("not_found", `Could not find application credential: ${id}.`);
}
