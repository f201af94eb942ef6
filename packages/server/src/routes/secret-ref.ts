import type { PublicUrl } from "../config/public-url.ts";
import { isId } from "../services/ids.ts";

/**
 * What a caller names a secret by: `id` if it can be one; `foreign` if it is neither an id nor under an address of this
 * server; `unknown` if it is under one, and names no secret there.
 */
export type SecretRef =
  | { readonly type: "id"; readonly id: string }
  | { readonly type: "foreign" }
  | { readonly type: "unknown" };

/**
 * Reads a secret's ref: the bare id, or `/v1/secrets/ID` under one of the addresses. No header of the request has a say.
 * Whether there is such a secret, and whose it is, is the service's to say.
 */
export function parseSecretRef(text: string, addresses: readonly PublicUrl[]): SecretRef {
  if (isId(text)) return { type: "id", id: text };
  const url = /[\s\\?#]/.test(text) || !/^https?:\/\/[^/]/i.test(text) ? null : URL.parse(text);
  if (!url || url.username !== "" || url.password !== "") return { type: "foreign" };
  const address = addresses.find((one) => url.href.startsWith(`${one}/`));
  if (address === undefined) return { type: "foreign" };
  const [, id = ""] = /^\/+v1\/secrets\/([^/]+)$/.exec(url.href.slice(address.length)) ?? [];
  return isId(id) ? { type: "id", id } : { type: "unknown" };
}
