import { LuksError } from "../errors.ts";
import type { LuksToken } from "../format/luks-token.ts";
import { isJsonObject } from "./bounded-json.ts";

/** A token that can be stored, and the JSON text in which it is. */
export interface CheckedToken {
  readonly token: LuksToken;
  readonly text: string;
}

/**
 * Checks a token that is to be stored.
 *
 * @param given the token, or its JSON text, which is stored as it is
 * @param slots numbers of the slots it may refer to
 * @throws `invalid_argument`, `no_such_slot`
 */
export function checkedToken(
  operation: string,
  given: LuksToken | string,
  slots: readonly string[],
): CheckedToken {
  const refuse = (reason: string) =>
    new LuksError("invalid_argument", `${operation} token: ${reason}`);
  const text = textOf(given)?.trim();
  const token = text === undefined ? undefined : parsed(text);
  if (text === undefined || token === undefined) throw refuse("must be JSON");
  if (!isToken(token)) throw refuse("must be an object with a type and keyslots");
  if (token.type.length > 64 || /\p{Cc}/u.test(token.type)) {
    throw refuse("must have a type of at most 64 characters, without control characters");
  }
  const missing = token.keyslots.find((slot) => !slots.includes(slot));
  if (missing !== undefined) {
    throw new LuksError("no_such_slot", `${operation} token: there is no key slot ${missing}`);
  }
  return { token, text };
}

/** @returns undefined for what is no JSON, and for text that UTF-8 cannot say */
function textOf(given: unknown): string | undefined {
  if (typeof given === "string") return given.isWellFormed() ? given : undefined;
  try {
    return JSON.stringify(given);
  } catch {
    return undefined;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isToken(value: unknown): value is LuksToken {
  return (
    isJsonObject(value) &&
    typeof value["type"] === "string" &&
    value["type"] !== "" &&
    Array.isArray(value["keyslots"])
  );
}
