/** True if a GET of a secret asks for its document, not (the deprecated way) for its payload. */
export function wantsDocument(accept: string | undefined): boolean {
  if (accept === undefined || accept === "*/*" || accept === "application/json") return true;
  return mediaRanges(accept).some(({ type, q }) => q > 0 && type === "application/json");
}

/** True if a JSON answer is acceptable: no Accept, JSON, a wildcard, or a list with one of them. */
export function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept === "application/json" || accept === "*/*") return true;
  if (accept.trim() === "") return true;
  const good = ["*/*", "application/*", "application/json", "application/json-home"];
  return mediaRanges(accept).some(({ type, q }) => q > 0 && good.includes(type));
}

export type Negotiated =
  | { readonly type: "ok"; readonly contentType: string; readonly utf8Only: boolean }
  | { readonly type: "not_acceptable" }
  | { readonly type: "bad" };

/** What a payload of type `stored` is sent as. Single types are matched as Barbican does; lists as HTTP has it. */
export function negotiatePayload(accept: string | undefined, stored: string): Negotiated {
  if (accept === undefined || accept === "") return octets("application/octet-stream");
  const single = accept === "*/*" ? asStored(stored) : exactly(accept);
  if (single) return single;
  if (/^text\/plain$/i.test(accept)) return { type: "bad" };
  const ranges = mediaRanges(accept);
  if (ranges.length < 2 && !/;\s*q=/.test(accept)) return { type: "not_acceptable" };
  for (const { type, q } of ranges.toSorted((a, b) => b.q - a.q)) {
    const found = type === "*/*" ? asStored(stored) : exactly(type);
    if (q > 0 && found) return found;
  }
  return { type: "not_acceptable" };
}

function exactly(type: string): Negotiated | undefined {
  if (type === "text/plain") return { ...textual, utf8Only: true };
  if (/^text\/plain; ?charset=utf-8$/.test(type))
    return { type: "ok", contentType: type, utf8Only: true };
  if (type === "application/octet-stream" || type === "application/pkcs8") return octets(type);
  return undefined;
}

const textual = { type: "ok", contentType: "text/plain; charset=UTF-8", utf8Only: false } as const;

function octets(contentType: string): Negotiated {
  return { type: "ok", contentType, utf8Only: false };
}

function asStored(stored: string): Negotiated {
  return stored === "text/plain" ? textual : octets(stored);
}

/** More than any client sends. What comes after them is not read. */
const maxRanges = 64;

interface MediaRange {
  readonly type: string;
  readonly q: number;
}

function mediaRanges(accept: string): readonly MediaRange[] {
  return accept.split(",", maxRanges).map((part) => {
    const [type = "", ...parameters] = part.split(";").map((text) => text.trim());
    const q = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const weight = q === undefined ? 1 : Number(q);
    return { type: type.toLowerCase(), q: Number.isFinite(weight) ? weight : 0 };
  });
}
