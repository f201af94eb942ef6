import type { Principal } from "../../model/principal.ts";
import { isServerError } from "../../model/server-error.ts";
import { covers } from "../access-rules.ts";
import type { AskedFor, Identity, IdentityHeaders } from "../identity.ts";
import { IdentityError } from "../identity-error.ts";
import { maxTokenLength, plausibleToken, principalOf } from "../validated-token.ts";
import type { LiveToken, TokenKeeper } from "./token-keeper.ts";

/** Knows tokens that this server issued itself. */
export class BuiltinIdentity implements Identity {
  readonly #wwwAuthenticateUri: () => string;
  readonly #tokens: TokenKeeper;
  readonly #closing: () => Promise<void>;
  readonly #serviceTokenRoles: ReadonlySet<string>;

  constructor(options: {
    readonly tokens: TokenKeeper;
    readonly wwwAuthenticateUri: () => string;
    readonly serviceTokenRoles: readonly string[];
    /** Called by {@link BuiltinIdentity.close}. Default: nothing. */
    readonly closing?: () => Promise<void>;
  }) {
    this.#tokens = options.tokens;
    this.#closing = options.closing ?? (() => Promise.resolve());
    this.#wwwAuthenticateUri = options.wwwAuthenticateUri;
    this.#serviceTokenRoles = new Set(options.serviceTokenRoles);
  }

  get wwwAuthenticateUri(): string {
    return this.#wwwAuthenticateUri();
  }

  async authenticate(
    headers: IdentityHeaders,
    requestId: string,
    askedFor?: AskedFor,
  ): Promise<Principal> {
    const token = plausibleToken(headers.token);
    const serviceRoles =
      headers.serviceToken === undefined
        ? undefined
        : await this.#serviceRoles(plausibleToken(headers.serviceToken, "service token"));
    const live = await this.#find(token, serviceRoles !== undefined);
    if (!live) throw new IdentityError("invalid_token", "identity token: unknown or expired");
    const accessRules = live.applicationCredential?.accessRules;
    if (accessRules && !(askedFor && covers(accessRules, "key-manager", askedFor))) {
      throw new IdentityError(
        "invalid_token",
        "identity token: its access rules do not cover this",
      );
    }
    return principalOf(validated(live), requestId, serviceRoles);
  }

  known({ token, serviceToken }: IdentityHeaders, requestId: string): Principal | undefined {
    if (token === undefined || token.length > maxTokenLength || serviceToken !== undefined) return;
    const live = this.#tokens.known(token);
    if (!live?.project || live.applicationCredential) return;
    return principalOf(validated(live), requestId, undefined);
  }

  /** Forgets all tokens, sends delayed refusals, and puts on record what refused logins there were. */
  async close(): Promise<void> {
    this.#tokens.forget();
    await this.#closing();
  }

  async #serviceRoles(token: string): Promise<readonly string[]> {
    const live = await this.#find(token, false);
    if (!live?.roles.some((role) => this.#serviceTokenRoles.has(role))) {
      throw new IdentityError("invalid_token", "service token: unknown, or no service's");
    }
    return live.roles;
  }

  async #find(token: string, allowExpired: boolean): Promise<LiveToken | undefined> {
    try {
      return await this.#tokens.find(token, { allowExpired });
    } catch (cause) {
      // Not a matter of trying again later: the row is not the server's own.
      if (isServerError(cause, "integrity")) throw cause;
      throw new IdentityError("unavailable", "identity token: the database cannot be asked now", {
        cause,
      });
    }
  }
}

function validated({ user, project, roles }: LiveToken): Parameters<typeof principalOf>[0] {
  return {
    userId: user.id,
    userName: user.name,
    projectId: project?.id,
    domainId: project && "default",
    roles,
  };
}
