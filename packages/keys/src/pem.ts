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

/** True for an EncryptedPrivateKeyInfo, which begins with a SEQUENCE where a PrivateKeyInfo has an INTEGER (RFC 5958). */
export function isEncryptedPrivateKey(der: Uint8Array): boolean {
  const lengthByte = der[1] ?? 0;
  const contentAt = lengthByte < 0x80 ? 2 : 2 + (lengthByte & 0x7f);
  return der[0] === 0x30 && der[contentAt] === 0x30;
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
