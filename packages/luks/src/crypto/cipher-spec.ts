import { LuksError } from "../errors.ts";
import { shownText } from "../texts/plain-texts.ts";
import { type IvGenerator, segmentCiphers } from "./cipher-table.ts";

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
  const read = segmentCiphers.get(name)?.read;
  if (!read) {
    throw new LuksError("unsupported", `${operation} "${shownText(name)}": unsupported cipher`);
  }
  return { name, ...read };
}

/** The key lengths in bits that this library can compute with: OpenSSL has no AES-192 in XTS. */
export function keyBitLengths(cipher: CipherSpec): readonly number[] {
  return cipher.mode === "xts" ? [256, 512] : [128, 192, 256];
}

/** Whether this library computes a cipher itself, with a key of that length. */
export function isComputable(name: string, keyBitLength: number): boolean {
  return (
    segmentCiphers.get(name)?.read !== undefined &&
    keyBitLengths(parseCipher("check cipher", name)).includes(keyBitLength)
  );
}
