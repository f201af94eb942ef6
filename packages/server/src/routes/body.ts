import { maxJsonBytes } from "../model/body-limits.ts";
import { schemaError, WireError } from "../model/wire-error.ts";
import { refuseCompressed } from "./content-encoding.ts";
import type { WireRequest } from "./endpoint.ts";
import { pythonStrip } from "./python-strip.ts";
import { jsonTooLarge } from "./too-large.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The body as a JSON object, every string in it stripped of leading and trailing white space. The Content-Type is checked
 * before, by what an action accepts.
 *
 * @param schema Name for messages: "Secret", "Order" …
 * @throws WireError 415 for a compressed body, 413, 400 for what is not a JSON object
 */
export function jsonObject(
  request: Pick<WireRequest, "headers" | "body" | "maxPayloadBytes" | "maxBodyBytes">,
  schema: string,
): JsonObject {
  const { headers, body } = request;
  refuseCompressed(headers["content-encoding"]);
  if (body.length > maxJsonBytes(request.maxPayloadBytes)) throw jsonTooLarge(schema, request);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw malformed();
  }
  const stripped = strip(value, schema, 0);
  if (typeof stripped !== "object" || stripped === null || Array.isArray(stripped))
    throw schemaError(schema, "the body is not of type 'object'");
  return stripped as JsonObject;
}

/** A Content-Type header without its parameters, in lower case. */
export function mediaType(header: string | readonly string[] | undefined): string {
  if (typeof header !== "string") return "";
  const end = header.indexOf(";");
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase();
}

/** Deeper than any schema goes. */
const maxDepth = 32;

function strip(value: unknown, schema: string, depth: number): unknown {
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw schemaError(schema, "a text has half a surrogate pair");
    return pythonStrip(value);
  }
  if (typeof value !== "object" || value === null) return value;
  if (depth > maxDepth) throw schemaError(schema, "the body is nested too deeply");
  if (Array.isArray(value)) return value.map((item) => strip(item, schema, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (!key.isWellFormed() || key.includes("\0"))
        throw schemaError(schema, "the name of a property is not text");
      return [key, strip(item, schema, depth + 1)];
    }),
  );
}

function malformed(): WireError {
  return new WireError(400, "Malformed JSON");
}

export interface TextRule {
  /** In characters. Default 0. */
  readonly min?: number;
  /** In characters. Default 255. */
  readonly max?: number;
  readonly nullable?: boolean;
}

/** Reads the fields of one JSON object, and says what is wrong with which. */
export class Fields {
  readonly schema: string;
  readonly #object: JsonObject;

  constructor(object: JsonObject, schema: string) {
    this.#object = object;
    this.schema = schema;
  }

  /** The field as it is; undefined if absent. */
  raw(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }

  /** Refuses fields other than these. */
  only(names: readonly string[]): void {
    for (const name of Object.keys(this.#object))
      if (!names.includes(name)) throw this.error("it has too many properties", name);
  }

  /** A text; undefined if absent, null if it may be null and is. */
  text(name: string, rule: TextRule & { readonly nullable: true }): string | null | undefined;
  text(name: string, rule?: TextRule): string | undefined;
  text(name: string, rule: TextRule = {}): string | null | undefined {
    const value = this.raw(name);
    if (value === undefined || (value === null && rule.nullable)) return value;
    if (typeof value !== "string") throw this.error(`${name} is not of type 'string'`, name);
    if (value.includes("\0")) throw this.error(`${name} has a zero character`, name);
    const length = Array.from(value).length; // in code points, as Python counts
    if (length > (rule.max ?? 255)) throw this.error(`${name} is too long`, name);
    if (length < (rule.min ?? 0)) throw this.error(`${name} is too short`, name);
    return value;
  }

  /** A text that must be there. */
  requiredText(name: string, rule: { readonly min?: number; readonly max?: number } = {}): string {
    const value = this.text(name, rule);
    if (value === undefined) throw this.error(`'${name}' is a required property`, name);
    return value;
  }

  error(reason: string, property?: string): WireError {
    return schemaError(this.schema, reason, property);
  }
}
