import type { PublicUrl } from "../config/public-url.ts";
import { isId, isUuid } from "../services/ids.ts";

/**
 * What a caller names a secret by: `id` if it can be one; `invalid` if it stands in the place of an id and has another
 * form; `foreign` if it is neither a UUID nor under an address of this server; `unknown` if it is under one, and names no
 * secret there.
 */
export type SecretRef =
  | { readonly type: "id"; readonly id: string }
  | { readonly type: "invalid" }
  | { readonly type: "foreign" }
  | { readonly type: "unknown" };

/**
 * Reads a secret's ref: the bare id, or `/v1/secrets/ID` under one of the addresses. No header of the request has a say.
 * Whether there is such a secret, and whose it is, is the service's to say.
 */
export function parseSecretRef(text: string, addresses: readonly PublicUrl[]): SecretRef {
  if (isId(text)) return { type: "id", id: text };
  if (isUuid(text)) return { type: "invalid" };
  const url = /[\s\\?#]/.test(text) || !/^https?:\/\/[^/]/i.test(text) ? null : URL.parse(text);
  if (!url || url.username !== "" || url.password !== "") return { type: "foreign" };
  const address = addresses.find((one) => url.href.startsWith(`${one}/`));
  if (address === undefined) return { type: "foreign" };
  const [, id] = /^\/+v1\/secrets\/([^/]+)$/.exec(url.href.slice(address.length)) ?? [];
  if (id === undefined) return { type: "unknown" };
  return isId(id) ? { type: "id", id } : { type: "invalid" };
}
