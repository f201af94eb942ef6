import { createHash, timingSafeEqual } from "node:crypto";
import { objectBytes } from "../barbican/translation.ts";
import type { ObjectType } from "../model/managed-object.ts";
import type { SecretBytes } from "../model/secret-bytes.ts";

/**
 * Compares the SHA-256 digests of an object's bytes and of its copy's, in
 * constant time. The digests go nowhere else: that of a passphrase tells it.
 *
 * @param asIs false: keys and certificates are compared as DER, whatever their PEM looks like
 */
export function isSameBytes(
  type: ObjectType,
  a: SecretBytes,
  b: SecretBytes,
  asIs: boolean,
): boolean {
  const [one, other] = [a, b].map((bytes) => digestOf(asIs ? bytes : objectBytes(type, bytes)));
  return one !== undefined && other !== undefined && timingSafeEqual(one, other);
}

function digestOf(value: SecretBytes): Uint8Array {
  return value.use((bytes) => createHash("sha256").update(bytes).digest());
}
