import { type AccessRule, accessRuleLimits } from "../../access-rules.ts";
import { PathPattern } from "../../path-pattern.ts";
import { IdentityApiError } from "../identity-api-error.ts";

/** In UTF-16 units, as Keystone's own. */
const maxNameLength = 255;

/** The parts of a JSON document, read with the path to each in what is said of a mistake. */
export class Body {
  readonly #value: unknown;
  readonly #path: string;

  constructor(value: unknown, path = "body") {
    this.#value = value;
    this.#path = path;
  }

  /** @throws IdentityApiError `bad_request` for text that is no JSON. */
  static parse(bytes: Uint8Array): Body {
    try {
      return new Body(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
    } catch {
      throw new IdentityApiError("bad_request", "The request body is no valid JSON.");
    }
  }

  get present(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  /** @throws IdentityApiError `bad_request` if this is no object. */
  get(name: string): Body {
    const value = this.#value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#mistake("an object");
    }
    const member: unknown = Object.hasOwn(value, name)
      ? (value as Record<string, unknown>)[name]
      : undefined;
    return new Body(member, `${this.#path}.${name}`);
  }

  /** True if this is an object with such a member. */
  has(name: string): boolean {
    return (
      typeof this.#value === "object" &&
      this.#value !== null &&
      Object.hasOwn(this.#value, name) &&
      this.get(name).present
    );
  }

  text(): string {
    if (typeof this.#value !== "string") throw this.#mistake("text");
    if (this.#value.includes("\0")) throw this.#mistake("text without a zero character");
    return this.#value;
  }

  /** A name or an id: no longer than Keystone takes one. */
  name(): string {
    const text = this.text();
    if (text.length > maxNameLength)
      throw this.#mistake(`text of at most ${maxNameLength} characters`);
    return text;
  }

  optionalText(): string | undefined {
    return this.present ? this.text() : undefined;
  }

  boolean(fallback: boolean): boolean {
    if (!this.present) return fallback;
    if (typeof this.#value !== "boolean") throw this.#mistake("true or false");
    return this.#value;
  }

  /** At most 100. */
  list(): readonly Body[] {
    const value: unknown = this.#value;
    if (!Array.isArray(value) || value.length > 100) throw this.#mistake("a list");
    return value.map((item: unknown, index) => new Body(item, `${this.#path}[${index}]`));
  }

  #mistake(wanted: string): IdentityApiError {
    return new IdentityApiError("bad_request", `${this.#path} must be ${wanted}.`);
  }
}

/** The access rules of an application credential. @throws IdentityApiError `bad_request` */
export function readAccessRules(body: Body): readonly AccessRule[] | undefined {
  if (!body.present) return undefined;
  return body.list().map((rule) => ({
    service: short(rule.get("service")),
    path: readPath(rule.get("path")),
    method: short(rule.get("method")),
  }));
}

function readPath(body: Body): string {
  const path = short(body);
  const mistake = PathPattern.mistakeIn(path);
  if (mistake === undefined) return path;
  throw new IdentityApiError("bad_request", `The path of an access rule ${mistake}.`);
}

function short(body: Body): string {
  const text = body.text();
  if (text === "" || text.length > accessRuleLimits.pathLength) {
    throw new IdentityApiError(
      "bad_request",
      `An access rule's parts have 1 to ${accessRuleLimits.pathLength} characters.`,
    );
  }
  return text;
}
