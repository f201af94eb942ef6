import { LuksError } from "../errors.ts";

/** Where a sector's initialisation vector comes from; dm-crypt's words. */
export type IvGenerator = "plain" | "plain64" | "essiv:sha256";

/** A sector cipher as LUKS names it: `aes-xts-plain64`, `aes-cbc-essiv:sha256`. */
export interface CipherSpec {
  /** As the header spells it. */
  readonly name: string;
  readonly mode: "xts" | "cbc";
  readonly iv: IvGenerator;
}

/** The default for new disks, and what cryptsetup and OpenStack use. */
export const aesXtsPlain64: CipherSpec = { name: "aes-xts-plain64", mode: "xts", iv: "plain64" };

/**
 * Reads dm-crypt's name of a cipher.
 *
 * @throws `unsupported` for ciphers other than AES, and modes other than XTS and CBC
 */
export function parseCipher(operation: string, name: string): CipherSpec {
  const match = /^aes-(xts|cbc)-(plain|plain64|essiv:sha256)$/.exec(name);
  if (!match) {
    throw new LuksError(
      "unsupported",
      `${operation} ${JSON.stringify(name).slice(0, 80)}: unsupported cipher`,
    );
  }
  return { name, mode: match[1] as CipherSpec["mode"], iv: match[2] as IvGenerator };
}

/** Legal key lengths in bits: XTS has two AES keys in one. */
export function keyBitLengths(cipher: CipherSpec): readonly number[] {
  return cipher.mode === "xts" ? [256, 512] : [128, 192, 256];
}
