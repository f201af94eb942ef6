import type { IdentityError } from "./identity-error.ts";

/** An answer as it goes over the wire. */
export interface Refusal {
  readonly status: 401 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The answer to a request under `/v3` whose caller could not be identified. Clients look at the status and at the header to
 * decide whether to log in again.
 */
export function refusal(error: IdentityError, wwwAuthenticateUri: string): Refusal {
  const challenge = { "www-authenticate": `Keystone uri="${wwwAuthenticateUri}"` };
  switch (error.code) {
    case "invalid_token":
      return {
        status: 401,
        headers: { "content-type": "application/json", ...challenge },
        body: errorBody(401, "Unauthorized", "The request you have made requires authentication."),
      };
    case "no_project":
      return {
        status: 401,
        headers: { "content-type": "application/json", ...challenge },
        body: errorBody(401, "Unauthorized", "The identity token is not scoped to a project."),
      };
    case "unavailable":
      return {
        status: 503,
        headers: {
          "content-type": "application/json",
          "retry-after": String(Math.max(1, Math.ceil(error.retryAfterSeconds))),
        },
        body: errorBody(
          503,
          "Service Unavailable",
          "The identity service cannot be asked now. Try again later.",
        ),
      };
  }
}

function errorBody(code: number, title: string, message: string): string {
  return JSON.stringify({ error: { code, title, message } });
}
