import { LuksError } from "../errors.ts";
import { refuseUnknownOptions } from "../options.ts";
import type { LuksToken } from "./luks-token.ts";

/**
 * Says which key manager object holds the passphrase of which key slots.
 *
 * On disk it is a LUKS2 token of type `chatelaine` with these fields:
 *
 * - `keyslots`: the slots, as LUKS2 prescribes;
 * - `object`: the object's id in the key manager, without any endpoint, so that the disk can move
 *   between machines and the key manager between addresses;
 * - `created`: when the token was written, ISO 8601 in UTC.
 */
export interface ChatelaineToken {
  readonly keyslots: readonly number[];
  readonly object: string;
  readonly created: Date;
}

/** The `type` of our LUKS2 tokens. */
export const chatelaineTokenType = "chatelaine";

/** Ids, not references: no slash or colon, so that no URL can creep in. */
const objectId = /^[\w.-]{1,255}$/;

/**
 * Makes the token to hand to `formatLuks2` or `addToken`.
 *
 * @throws `invalid_argument` for an object id that is a URL, or no slots
 */
export function chatelaineToken(token: ChatelaineToken): LuksToken {
  const operation = "make chatelaine token";
  refuseUnknownOptions(operation, token, ["keyslots", "object", "created"]);
  if (!objectId.test(token.object)) {
    throw new LuksError("invalid_argument", `${operation} object: must be an id, not a URL`);
  }
  if (token.keyslots.length === 0) {
    throw new LuksError("invalid_argument", `${operation} keyslots: must name at least one`);
  }
  return {
    type: chatelaineTokenType,
    keyslots: token.keyslots.map(String),
    object: token.object,
    created: token.created.toISOString(),
  };
}

/** Reads a token of type `chatelaine`; undefined for any other, and for one whose fields are not as above. */
export function parseChatelaineToken(token: LuksToken): ChatelaineToken | undefined {
  const { type, object, created } = token;
  if (type !== chatelaineTokenType) return undefined;
  if (typeof object !== "string" || !objectId.test(object) || typeof created !== "string") {
    return undefined;
  }
  const date = new Date(created);
  if (Number.isNaN(date.getTime())) return undefined;
  return { keyslots: token.keyslots.map(Number), object, created: date };
}
