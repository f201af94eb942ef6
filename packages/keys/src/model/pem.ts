import { createPrivateKey, createPublicKey } from "node:crypto";
import type { ObjectType } from "./managed-object.ts";

/** Types whose bytes are DER here and PEM (RFC 7468) on Barbican's wire. */
export type PemType = Extract<ObjectType, "private" | "public" | "certificate">;

export function isPemType(type: ObjectType): type is PemType {
  return type === "private" || type === "public" || type === "certificate";
}

/** Wraps DER in PEM, in ASCII bytes. */
export function pemOf(type: PemType, der: Uint8Array): Uint8Array {
  const base64 = Buffer.from(der).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  const label = labelOf(type, der);
  return Buffer.from(
    `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`,
    "ascii",
  );
}

/**
 * The DER in a PEM text, or the bytes as they are if they are no PEM: others
 * store DER. Keys in older forms (`RSA PRIVATE KEY`) become PKCS#8 or
 * SubjectPublicKeyInfo, so that a type has one encoding.
 */
export function derOf(type: PemType, bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  const match = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/.exec(text);
  if (match === null) return bytes;
  const [, label = "", body = ""] = match;
  try {
    if (type === "private" && !/^(ENCRYPTED )?PRIVATE KEY$/.test(label)) {
      return createPrivateKey(text).export({ type: "pkcs8", format: "der" });
    }
    if (type === "public" && label !== "PUBLIC KEY") {
      return createPublicKey(text).export({ type: "spki", format: "der" });
    }
  } catch {
    // A form that the platform cannot read (an old encrypted key): the inner DER is all there is to give.
  }
  return Buffer.from(body, "base64");
}

/**
 * True for an EncryptedPrivateKeyInfo (RFC 5958 section 3): a SEQUENCE of just a
 * SEQUENCE and an OCTET STRING. (A PrivateKeyInfo begins with an INTEGER; a
 * SubjectPublicKeyInfo ends with a BIT STRING.)
 */
export function isEncryptedPrivateKey(der: Uint8Array): boolean {
  const outer = elementAt(der, 0);
  if (outer?.tag !== 0x30 || outer.end !== der.length) return false;
  const algorithm = elementAt(der, outer.start);
  if (algorithm?.tag !== 0x30) return false;
  const encrypted = elementAt(der, algorithm.end);
  return encrypted?.tag === 0x04 && encrypted.end === outer.end;
}

/** Where the contents of a DER element lie (X.690 section 8.1), if it is whole. */
function elementAt(der: Uint8Array, offset: number) {
  const [tag, first] = [der[offset], der[offset + 1]];
  if (tag === undefined || first === undefined) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const start = offset + 2 + lengthBytes;
  if (lengthBytes > 4 || start > der.length) return undefined;
  const length =
    first < 0x80
      ? first
      : der.subarray(offset + 2, start).reduce((sum, byte) => sum * 256 + byte, 0);
  const end = start + length;
  return end > der.length ? undefined : { tag, start, end };
}

function labelOf(type: PemType, der: Uint8Array): string {
  switch (type) {
    case "private":
      return isEncryptedPrivateKey(der) ? "ENCRYPTED PRIVATE KEY" : "PRIVATE KEY";
    case "public":
      return "PUBLIC KEY";
    case "certificate":
      return "CERTIFICATE";
  }
}
