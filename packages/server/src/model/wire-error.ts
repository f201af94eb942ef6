import { STATUS_CODES } from "node:http";

/**
 * What a request is answered with when it is not granted: a status and Barbican's
 * error body. The dispatcher turns it into the reply; its text holds nothing secret.
 */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly status: number;
  /** The body's `description`. */
  readonly description: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    description: string | null,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(`${status}: ${description ?? ""}`);
    this.status = status;
    this.description = description;
    this.headers = headers;
  }
}

/** The reason phrase that Barbican's `title` has for a status. */
export function titleOf(status: number): string {
  if (status === 413) return "Request Entity Too Large";
  return STATUS_CODES[status] ?? "Error";
}

/** 400 for a body that does not fit its schema. `property` is the field at fault, if one is. */
export function schemaError(schema: string, reason: string, property?: string): WireError {
  return new WireError(
    400,
    `Provided object does not match schema '${schema}': ${reason}. Invalid property: '${property ?? "None"}'`,
  );
}

/** The operation ("Secret creation") was understood and cannot be done, for a reason that the caller may know. */
export function issueSeen(status: number, operation: string, reason: string): WireError {
  return new WireError(status, `${operation} issue seen - ${reason}.`);
}

/** 403: the policy says no. */
export function forbidden(operation: string): WireError {
  return new WireError(
    403,
    `${operation} is not allowed for this user in this project. Please review the privileges.`,
  );
}

/** 403: the project has as many as it may. */
export function quotaReached(operation: string, kind: string): WireError {
  return new WireError(
    403,
    `${operation} is not allowed: the project's quota of ${kind} is reached.`,
  );
}

/** 403: the object has as many items ("consumers") as one may have. */
export function objectFull(operation: string, object: string, items: string): WireError {
  return new WireError(
    403,
    `${operation} is not allowed: the ${object} has as many ${items} as one may have.`,
  );
}

/** 429: the caller's own earlier requests must be done first. */
export function tooManyRequests(description: string): WireError {
  return new WireError(429, description, { "retry-after": "5" });
}

/** 503: later may work. */
export function unavailable(reason: string): WireError {
  return new WireError(503, `${reason} Please try again.`, { "retry-after": "1" });
}
