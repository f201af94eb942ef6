import { isUtf8 } from "node:buffer";
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { KeyManagerError } from "./errors.ts";
import type { ManagedObject } from "./managed-object.ts";
import { isEncryptedPrivateKey } from "./pem.ts";
import type { SecretBytes } from "./secret-bytes.ts";

/** The sizes, in bits, of the curves whose keys do not say their length in the encoding. */
const curveBits = new Map([
  ["prime256v1", 256],
  ["secp256k1", 256],
  ["secp384r1", 384],
  ["secp521r1", 521],
]);

const namedLengths = new Map([
  ["ed25519", 256],
  ["x25519", 256],
  ["ed448", 456],
  ["x448", 448],
]);

/**
 * Checks that an object's bytes are what its type says, and derives the length
 * of keys from them.
 *
 * @returns the length in bits, or undefined for objects that are no keys, and
 * for encrypted private keys, which do not show it.
 * @throws `invalid_argument` also if the object states another length.
 */
export function checkedBitLength(what: string, object: ManagedObject): number | undefined {
  if (object.value.length === 0) throw invalid(what, `the ${object.type} object has no bytes`);
  const derived = derivedBitLength(what, object);
  if (derived !== undefined && object.bitLength !== undefined && object.bitLength !== derived) {
    throw invalid(
      what,
      `bitLength says ${object.bitLength}, but the bytes are a key of ${derived} bits`,
    );
  }
  return derived ?? object.bitLength;
}

function derivedBitLength(what: string, object: ManagedObject): number | undefined {
  switch (object.type) {
    case "symmetric":
      return object.value.length * 8;
    case "private":
      return object.value.use((der) =>
        isEncryptedPrivateKey(der)
          ? undefined
          : keyBits(
              parsed(what, "PKCS#8 private key", () => createPrivateKey(derInput(der, "pkcs8"))),
            ),
      );
    case "public":
      return object.value.use((der) =>
        keyBits(parsed(what, "SubjectPublicKeyInfo", () => createPublicKey(derInput(der, "spki")))),
      );
    case "certificate":
      object.value.use((der) => parsed(what, "X.509 certificate", () => new X509Certificate(der)));
      return undefined;
    case "passphrase":
      refuseUnlessText(what, "passphrase", object.value);
      return undefined;
    case "opaque":
      if (/^text\//i.test(object.contentType ?? "")) refuseUnlessText(what, "text", object.value);
      return undefined;
  }
}

function refuseUnlessText(what: string, kind: string, value: SecretBytes): void {
  if (!value.use(isUtf8)) throw invalid(what, `the bytes of the ${kind} are not UTF-8`);
}

function derInput<T extends "pkcs8" | "spki">(der: Uint8Array, type: T) {
  return {
    key: Buffer.from(der.buffer, der.byteOffset, der.byteLength),
    format: "der",
    type,
  } as const;
}

function keyBits(key: KeyObject): number | undefined {
  const details = key.asymmetricKeyDetails;
  return (
    details?.modulusLength ??
    curveBits.get(details?.namedCurve ?? "") ??
    namedLengths.get(key.asymmetricKeyType ?? "")
  );
}

function parsed<T>(what: string, expected: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw invalid(what, `the bytes are not DER ${expected}`);
  }
}

function invalid(what: string, reason: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", `${what}: ${reason}`);
}
