import type { StoredPayload } from "../services/secrets.ts";
import { Accept } from "./accept.ts";

/** Other names that clients have for the documents of this API. */
const aliases = ["application/json-home", "application/vnd.openstack.key-manager-v1+json"];

/** How much a client wants a document, which is JSON: from 0, not acceptable, to 1. */
export function documentQuality(accept: Accept): number {
  const named = aliases.filter((type) => accept.names(type));
  return Math.max(...["application/json", ...named].map((type) => accept.quality(type)));
}

/** True if a JSON answer is acceptable. */
export function acceptsJson(header: string | undefined): boolean {
  return isUsual(header) || documentQuality(Accept.parse(header)) > 0;
}

/** Nearly every request says this, and need not be parsed. */
function isUsual(header: string | undefined): boolean {
  return header === undefined || header === "application/json" || header === "*/*";
}

/** What a payload can be sent as. */
const payloadTypes = ["application/octet-stream", "application/pkcs8", "text/plain"] as const;

/**
 * True if a GET of a secret asks for its document: no type of payloads ranks before it. The deprecated way to the payload
 * names one with a greater weight.
 */
export function prefersDocument(header: string | undefined): boolean {
  if (isUsual(header)) return true;
  const accept = Accept.parse(header);
  const quality = documentQuality(accept);
  return quality > 0 && payloadTypes.every((type) => accept.quality(type) <= quality);
}

/**
 * The Content-Type that a payload is sent with: the type that the client wants most, among equals the stored one.
 * Undefined if the client wants none of them more than `floor`. Without an Accept header it is `application/octet-stream`,
 * as in Barbican.
 */
export function negotiatePayload(
  header: string | undefined,
  stored: StoredPayload,
  floor = 0,
): string | undefined {
  const accept = Accept.parse(header);
  if (accept.isAbsent) return "application/octet-stream";
  let best: { readonly type: string | undefined; readonly quality: number } = {
    type: undefined,
    quality: floor,
  };
  for (const type of offersOf(stored)) {
    const quality = accept.quality(type);
    if (quality > best.quality) best = { type, quality };
  }
  return best.type === "text/plain" ? textType(header) : best.type;
}

/** Best first. */
function offersOf({ contentType, isText }: StoredPayload): readonly string[] {
  const possible: readonly string[] = payloadTypes.filter(
    (type) => type !== "text/plain" || isText,
  );
  return possible.toSorted(
    (a, b) => Number(b === contentType) - Number(a === contentType), // stable: the rest keeps its order
  );
}

/** A client that writes the charset gets it back as it wrote it, as from Barbican. */
function textType(header: string | undefined): string {
  const wrote = header !== undefined && /^text\/plain; ?charset=utf-8$/.test(header);
  return wrote ? header : "text/plain; charset=UTF-8";
}

/** Barbican compares this one type as it is written, and its tests expect 400 for another case. */
export function isTextInAnotherCase(header: string | undefined): boolean {
  return header !== undefined && header !== "text/plain" && /^text\/plain$/i.test(header);
}
