import { issueSeen } from "../model/wire-error.ts";
import type { NewSecret, Payload } from "../services/secrets.ts";
import { lenientBase64 } from "./base64.ts";
import { Fields, jsonObject, mediaType } from "./body.ts";
import { refuseCompressed, unsupportedCoding } from "./content-encoding.ts";
import type { ContentTypes, WireRequest } from "./endpoint.ts";
import { parseTimestamp } from "./timestamp.ts";
import { tooLarge } from "./too-large.ts";

export const secretTypes = [
  "symmetric",
  "passphrase",
  "private",
  "public",
  "certificate",
  "opaque",
] as const;

/** As messages list them; a tempest test reads this list. */
const payloadTypes =
  "['text/plain', 'text/plain;charset=utf-8', 'text/plain; charset=utf-8', 'application/octet-stream', 'application/pkcs8']";

/** With which a text is stored as it was sent, as Barbican does. Of another one nobody knows what was sent. */
const textEncodings: ReadonlySet<string> = new Set(["", "identity", "base64", "utf-8", "utf8"]);

const binaryTypes = new Set(["application/octet-stream", "application/pkcs8"]);

/** The stored form of a supported payload type, or undefined. */
export function payloadType(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (binaryTypes.has(lower)) return lower;
  return /^text\/plain\s*(;\s*charset=utf-8\s*)?$/.test(lower) ? "text/plain" : undefined;
}

/** What the meta of an order says of a secret, too. */
export type SecretAttributes = Omit<NewSecret, "payload" | "secretType"> & {
  readonly secretType: string | undefined;
};

/** @throws WireError 400 */
export function parseAttributes(fields: Fields, now: string): SecretAttributes {
  const secretType = fields.text("secret_type");
  if (secretType !== undefined && !secretTypes.some((type) => type === secretType))
    throw fields.error(`secret_type is not one of ${secretTypes.join(", ")}`, "secret_type");
  return {
    name: fields.text("name", { nullable: true }) ?? null,
    secretType,
    algorithm: fields.text("algorithm") ?? null,
    bitLength: parseBitLength(fields),
    mode: fields.text("mode") ?? null,
    expiration: parseExpiration(fields, now),
  };
}

/** Parses the body of POST /v1/secrets. @throws WireError 400, 413, 415 */
export function parseNewSecret(request: WireRequest, now: string): NewSecret {
  const fields = new Fields(jsonObject(request, "Secret"), "Secret");
  const attributes = parseAttributes(fields, now);
  const type = fields.text("payload_content_type", { nullable: true });
  const encoding = parseEncoding(fields);
  refuseTransportKeys(fields);
  const text = fields.raw("payload");
  const secretType = attributes.secretType ?? "opaque";
  if (text === undefined) {
    if (typeof type === "string")
      throw fields.error("payload must be given with payload_content_type", "payload");
    return { ...attributes, secretType };
  }
  if (typeof text !== "string") throw fields.error("payload is not of type 'string'", "payload");
  if (text === "") throw fields.error("payload is empty", "payload");
  if (Buffer.byteLength(text) > request.maxPayloadBytes)
    throw tooLarge("Provided payload", request);
  return { ...attributes, secretType, payload: parsePayload(fields, text, type, encoding) };
}

function parseEncoding(fields: Fields): "base64" | undefined {
  const name = "payload_content_encoding";
  const encoding = fields.text(name);
  if (encoding === undefined || encoding === "base64") return encoding;
  throw fields.error(`${name} is not one of ['base64']`, name);
}

function refuseTransportKeys(fields: Fields): void {
  const name = "transport_key_needed";
  const needed = fields.text(name);
  if (needed !== undefined && needed !== "true" && needed !== "false")
    throw fields.error(`${name} is neither 'true' nor 'false'`, name);
  if (needed === "true")
    throw issueSeen(400, "Secret creation", "this server has no transport keys");
  if (fields.text("transport_key_id") !== undefined)
    throw issueSeen(400, "Secret creation", "the transport key is not known");
}

function parsePayload(
  fields: Fields,
  text: string,
  type: string | null | undefined,
  encoding: "base64" | undefined,
): Payload {
  const contentType = typeof type === "string" ? payloadType(type) : undefined;
  if (type === undefined || type === null || type === "")
    throw fields.error("payload_content_type must be given with payload", "payload_content_type");
  if (contentType === undefined)
    throw fields.error(
      `payload_content_type is not one of ${payloadTypes}`,
      "payload_content_type",
    );
  const isText = contentType === "text/plain";
  if (isText !== (encoding === undefined))
    throw fields.error(
      `payload_content_encoding must be ${isText ? "absent" : "'base64'"} for ${contentType}`,
      "payload_content_encoding",
    );
  const bytes = isText ? Buffer.from(text) : lenientBase64(text);
  if (!bytes?.length) throw fields.error("payload is not base64", "payload");
  return { bytes, contentType };
}

/** What PUT /v1/secrets/{id} takes. */
export const putPayloadTypes: ContentTypes = {
  types: ["application/octet-stream", "text/plain"],
  advice: "text or octets",
};

/**
 * Parses PUT /v1/secrets/{id}, whose content type is one of {@link putPayloadTypes}, as far as Barbican does before it
 * looks for an earlier payload; the function that comes back decodes.
 *
 * @throws WireError 400, 413, 415
 */
export function parsePutPayload(request: WireRequest): () => Payload {
  const { body, headers } = request;
  const contentType = mediaType(headers["content-type"]);
  refuseCompressed(headers["content-encoding"]);
  if (body.length === 0) throw issueSeen(400, "Secret update", "no payload was sent");
  if (body.length > request.maxPayloadBytes) throw tooLarge("Provided payload", request);
  return () => {
    const encoding = String(headers["content-encoding"] ?? "").toLowerCase();
    if (contentType === "text/plain") {
      if (!textEncodings.has(encoding)) throw unsupportedCoding();
      return { bytes: body, contentType };
    }
    if (encoding === "") return { bytes: body, contentType };
    if (encoding !== "base64")
      throw issueSeen(400, "Secret update", "the content encoding is not supported; use base64");
    const bytes = lenientBase64(body.toString("latin1"));
    if (!bytes?.length) throw issueSeen(400, "Secret update", "the payload is not base64");
    return { bytes, contentType };
  };
}

function parseBitLength(fields: Fields): number | null {
  const value = fields.raw("bit_length");
  if (value === undefined) return null;
  if (typeof value !== "number" || !Number.isInteger(value))
    throw fields.error("bit_length is not of type 'integer'", "bit_length");
  if (value < 1 || value > 32767)
    throw fields.error("bit_length is not between 1 and 32767", "bit_length");
  return value;
}

function parseExpiration(fields: Fields, now: string): string | null {
  const text = fields.text("expiration");
  if (text === undefined || text === "") return null;
  const expiration = parseTimestamp(text);
  if (expiration === undefined)
    throw fields.error("expiration is not a date of ISO 8601", "expiration");
  if (expiration <= now) throw fields.error("expiration is in the past", "expiration");
  return expiration;
}
