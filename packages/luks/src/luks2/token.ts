import { LuksError } from "../errors.ts";
import { isJsonObject } from "./bounded-json.ts";
import type { LuksToken } from "./metadata.ts";

/**
 * A copy of `token` that can be stored.
 *
 * @param slots numbers of the slots it may refer to
 * @throws `invalid_argument`, `no_such_slot`
 */
export function checkedToken(
  operation: string,
  token: LuksToken,
  slots: readonly string[],
): LuksToken {
  const refuse = (reason: string) => {
    throw new LuksError("invalid_argument", `${operation} token: ${reason}`);
  };
  if (!isJsonObject(token) || typeof token.type !== "string" || token.type === "") {
    return refuse("must be an object with a type");
  }
  if (token.type.length > 64 || /\p{Cc}/u.test(token.type)) {
    return refuse("must have a type of at most 64 characters, without control characters");
  }
  if (!Array.isArray(token.keyslots)) return refuse("must have keyslots");
  const missing = token.keyslots.find((slot) => !slots.includes(slot));
  if (missing !== undefined) {
    throw new LuksError(
      "no_such_slot",
      `${operation} token: there is no key slot ${String(missing)}`,
    );
  }
  let copy: unknown;
  try {
    copy = JSON.parse(JSON.stringify(token));
  } catch {
    return refuse("must be JSON");
  }
  return copy as LuksToken;
}
