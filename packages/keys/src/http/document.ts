import { KeyManagerError } from "../model/errors.ts";
import type { HttpResponse } from "./send.ts";

/** A parsed JSON object whose fields are yet to be checked. */
export type Document = Readonly<Record<string, unknown>>;

/** @throws `bad_response` if the body is no JSON object. */
export function jsonObject(what: string, response: HttpResponse): Document {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(response.body));
  } catch (cause) {
    // The parser quotes what it could not read, which may be a secret: its message goes nowhere.
    const kind = cause instanceof TypeError ? "no UTF-8" : "no JSON";
    throw bad(
      what,
      `the answer (status ${response.status}) is ${kind}: is this the right endpoint?`,
    );
  }
  return asObject(what, "the answer", parsed);
}

/** The object that an error body is, or undefined: error bodies may be anything. */
export function errorObject(response: HttpResponse): Document | undefined {
  try {
    return jsonObject("error", response);
  } catch {
    return undefined;
  }
}

export function asObject(what: string, subject: string, value: unknown): Document {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad(what, `${subject} is no JSON object`);
  }
  return value as Document;
}

export function objectField(what: string, document: Document, field: string): Document {
  return asObject(what, field, document[field]);
}

export function arrayField(what: string, document: Document, field: string): readonly unknown[] {
  const value = document[field];
  if (!Array.isArray(value)) throw bad(what, `the answer lacks the list "${field}"`);
  return value;
}

export function textField(what: string, document: Document, field: string): string {
  const value = document[field];
  if (typeof value !== "string") throw bad(what, `the answer lacks "${field}"`);
  return value;
}

export function numberField(what: string, document: Document, field: string): number {
  const value = document[field];
  if (typeof value !== "number") throw bad(what, `the answer lacks the number "${field}"`);
  return value;
}

/** Undefined if it is missing or null. */
export function optionalText(what: string, document: Document, field: string): string | undefined {
  return document[field] === undefined || document[field] === null
    ? undefined
    : textField(what, document, field);
}

/** Undefined if it is missing or null. */
export function optionalNumber(
  what: string,
  document: Document,
  field: string,
): number | undefined {
  return document[field] === undefined || document[field] === null
    ? undefined
    : numberField(what, document, field);
}

/** A time as OpenStack writes it: ISO 8601, UTC where no zone is given. */
export function timeOf(what: string, field: string, text: string): Date {
  const zoned = /(Z|[+-]\d\d(:?\d\d)?)$/.test(text) ? text : `${text}Z`;
  const time = new Date(zoned);
  if (Number.isNaN(time.getTime())) throw bad(what, `"${field}" is no time`);
  return time;
}

function bad(what: string, reason: string): KeyManagerError {
  return new KeyManagerError("bad_response", `${what}: ${reason}`);
}
