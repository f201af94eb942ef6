import { shellWord } from "../texts/shell-word.ts";
import { parseUuid } from "../texts/uuid.ts";

/**
 * Ciphers of LUKS that the kernel has, and what may follow them in dm-crypt's spelling. A header that says anything else
 * was written by hand: no command to open it is suggested.
 */
const kernelCipher =
  /^(aes|anubis|aria|blowfish|camellia|cast5|cast6|des3_ede|khazad|seed|serpent|sm4|twofish)-(cbc|ctr|ecb|lrw|pcbc|xts)(-[a-z\d]{1,16}(:[a-z\d-]{1,16})?)?$/;

/** Authenticated ones for dm-integrity, and wide-block ones: their names have another form. */
const otherKernelCiphers: ReadonlySet<string> = new Set([
  "aes-gcm-random",
  "chacha20-random",
  "aes-hctr2-plain64",
]);

/** Says whether cryptsetup is likely to open a disk with this cipher. */
export function isKernelCipher(name: string): boolean {
  return kernelCipher.test(name) || otherKernelCiphers.has(name);
}

/**
 * The end of an error about a disk that this library cannot read and cryptsetup can: `: open it with "cryptsetup …"`.
 *
 * @param path of the device, as the user gave it
 */
export function cryptsetupAdvice(path: string, version: 1 | 2, uuid: string): string {
  const name = parseUuid(uuid) ? `luks-${uuid}` : "NAME";
  return `: open it with "cryptsetup open --type luks${version} ${shellWord(path)} ${name}"`;
}
