import type { StoredObject } from "@chatelaine/keys/interface";

/** Of a volume's key, in bits. */
export const keyBitLength = 256;

/**
 * Lends the passphrase that a key opens a disk with: the lower-case hexadecimal
 * text of its bytes, as OpenStack's os-brick has it; of an object of type
 * passphrase, the text itself. Zeroed when `use` is done.
 */
export function lendPassphrase<T>(
  key: StoredObject,
  use: (passphrase: Uint8Array) => Promise<T>,
): Promise<T> {
  if (key.type === "passphrase") return key.value.use(use);
  return key.value.use(async (bytes) => {
    const passphrase = hexOf(bytes);
    try {
      return await use(passphrase);
    } finally {
      passphrase.fill(0);
    }
  });
}

/**
 * Lends the passphrase that OpenStack's encryptors made of a key until 2016, when a
 * byte below 16 became one digit instead of two (launchpad bug 1633518).
 */
export function lendMangledPassphrase<T>(
  key: StoredObject,
  use: (passphrase: Uint8Array) => Promise<T>,
): Promise<T> {
  return key.value.use(async (bytes) => {
    const padded = hexOf(bytes);
    const passphrase = padded.filter((digit, index) => index % 2 === 1 || digit !== zero);
    padded.fill(0);
    try {
      return await use(passphrase);
    } finally {
      passphrase.fill(0);
    }
  });
}

const zero = "0".charCodeAt(0);

/** Lower-case hexadecimal text, as bytes: a string with a secret in it could not be zeroed. */
export function hexOf(bytes: Uint8Array): Uint8Array {
  const digits = new TextEncoder().encode("0123456789abcdef");
  const text = new Uint8Array(bytes.length * 2);
  for (const [index, byte] of bytes.entries()) {
    text[index * 2] = digits[byte >> 4] ?? 0;
    text[index * 2 + 1] = digits[byte & 15] ?? 0;
  }
  return text;
}
