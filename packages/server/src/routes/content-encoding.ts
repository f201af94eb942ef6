import { WireError } from "../model/wire-error.ts";

/** The codings of RFC 9110, section 8.4.1, and later ones, that compress. */
const compressions: ReadonlySet<string> = new Set([
  "br",
  "compress",
  "dcb",
  "dcz",
  "deflate",
  "gzip",
  "x-compress",
  "x-gzip",
  "zstd",
]);

/**
 * Refuses a compressed body: nothing here decompresses, and the bytes would be taken for something else.
 *
 * @throws WireError 415
 */
export function refuseCompressed(header: string | readonly string[] | undefined): void {
  if (header === undefined || header === "") return;
  const codings = String(header)
    .split(",")
    // HTTP has no parameters here, but a body whose coding has one is compressed all the same.
    .map((coding) => (coding.split(";", 1)[0] ?? "").trim().toLowerCase());
  if (!codings.some((coding) => compressions.has(coding))) return;
  throw unsupportedCoding();
}

/** 415: the body has a coding that is not undone here. */
export function unsupportedCoding(): WireError {
  return new WireError(415, "Content encoding is not supported: send the body uncompressed.", {
    "accept-encoding": "identity",
  });
}
