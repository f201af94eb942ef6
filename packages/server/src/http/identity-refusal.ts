import type { IdentityError } from "../identity/identity-error.ts";
import { WireError } from "../model/wire-error.ts";

/**
 * What a request under `/v1` gets whose caller could not be identified. Clients look at the status and at the header to
 * decide whether to log in again; python-barbicanclient fails on a body that has not the form of all other refusals.
 *
 * @param wwwAuthenticateUri Where clients get an identity token.
 */
export function identityRefusal(error: IdentityError, wwwAuthenticateUri: string): WireError {
  const challenge = { "www-authenticate": `Keystone uri="${wwwAuthenticateUri}"` };
  switch (error.code) {
    case "invalid_token":
      return new WireError(401, "The request you have made requires authentication.", challenge);
    case "no_project":
      return new WireError(401, "The identity token is not scoped to a project.", challenge);
    case "unavailable":
      return new WireError(
        503,
        "The identity service cannot be asked now. Please try again later.",
        { "retry-after": String(Math.max(1, Math.ceil(error.retryAfterSeconds))) },
      );
  }
}
