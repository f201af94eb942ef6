import type { Principal } from "../model/principal.ts";
import type { RequestTarget } from "../model/request-target.ts";

/** The request headers that carry credentials. Other identity headers (`X-Roles`, `X-Project-Id`, …) come from the client and are ignored. */
export interface IdentityHeaders {
  /** `X-Auth-Token`, or else `X-Storage-Token`. */
  readonly token?: string;
  /** `X-Service-Token`: the service that relays the request. */
  readonly serviceToken?: string;
}

/** What is asked for, so that an application credential's access rules can be kept. */
export interface AskedFor {
  readonly method: string;
  /** The one that the router has; its path is what access rules are compared with. */
  readonly target: RequestTarget;
}

/**
 * Tells from a request's identity tokens who makes it.
 *
 * May be called concurrently. Rejects only with an {@link IdentityError}, whose
 * message never holds a token.
 */
export interface Identity {
  /**
   * @param askedFor if it is not given, a token that is bound to access rules is refused.
   * @throws `invalid_token` for a token that is missing, unknown, expired or
   *   revoked, or whose access rules do not cover `askedFor`; `no_project` for a
   *   valid one that is not scoped to a project; `unavailable` if it cannot be validated now.
   */
  authenticate(
    headers: IdentityHeaders,
    requestId: string,
    askedFor?: AskedFor,
  ): Promise<Principal>;

  /**
   * What {@link authenticate} would resolve to, at once, where all that it takes is remembered. Undefined says nothing
   * of the token: ask {@link authenticate}. Never throws.
   */
  known?(headers: IdentityHeaders, requestId: string): Principal | undefined;

  /** Where a client that was refused may get a token: the `WWW-Authenticate` header names it. */
  readonly wwwAuthenticateUri: string;

  /** Lets go of connections and timers. */
  close(): Promise<void>;
}
