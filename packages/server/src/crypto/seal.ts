import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from "node:crypto";
import { ServerError } from "../model/server-error.ts";

const nonceBytes = 12;
const tagBytes = 16;

/**
 * Encrypts with AES-256-GCM under a fresh random nonce: nonce ‖ tag ‖ ciphertext.
 *
 * @param context What the bytes are and where they belong. Opening needs the same list.
 */
export function seal(key: KeyObject, context: readonly string[], bytes: Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(JSON.stringify(context)));
  const body = cipher.update(bytes);
  cipher.final();
  // In memory of its own: what crosses to the writer thread is copied with all of the memory that it is a part of.
  const sealed = Buffer.allocUnsafeSlow(nonceBytes + tagBytes + body.length);
  sealed.set(nonce);
  sealed.set(cipher.getAuthTag(), nonceBytes);
  sealed.set(body, nonceBytes + tagBytes);
  return sealed;
}

/** Decrypts what {@link seal} made. @throws `integrity` */
export function open(key: KeyObject, context: readonly string[], sealed: Uint8Array): Buffer {
  if (sealed.length < nonceBytes + tagBytes)
    throw new ServerError("integrity", `open ${context[0]}: too short`);
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(Buffer.from(JSON.stringify(context)));
  decipher.setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
  const bytes = decipher.update(sealed.subarray(nonceBytes + tagBytes));
  try {
    decipher.final();
  } catch (cause) {
    bytes.fill(0);
    throw new ServerError("integrity", `open ${context.join(" ")}: not authentic`, { cause });
  }
  return bytes;
}
