declare const segmentCipherBrand: unique symbol;

/** A cipher of a data segment that is in {@link segmentCiphers}. Only {@link segmentCipher} makes one. */
export type SegmentCipher = string & { readonly [segmentCipherBrand]: true };

/** Where a sector's initialisation vector comes from; dm-crypt's words. */
export type IvGenerator = "plain" | "plain64" | EssivGenerator;

/** The sector's number, encrypted by AES with a hash of the volume key: hashes whose digest is a key of AES. */
export type EssivGenerator = "essiv:sha256" | "essiv:sha3-256" | "essiv:blake2s-256" | "essiv:sm3";

/** One cipher that a disk may name. */
export interface CipherRow {
  /** Legal lengths of the volume key, in bits. XTS has two keys in one. */
  readonly keyBitLengths: readonly number[];
  /** How this library computes it; undefined for a cipher that only the kernel maps. */
  readonly read: { readonly mode: "xts" | "cbc"; readonly iv: IvGenerator } | undefined;
}

const xtsBits = [256, 384, 512] as const;
const cbcBits = [128, 192, 256] as const;
const ivs: readonly IvGenerator[] = [
  "plain64",
  "plain",
  "essiv:sha256",
  "essiv:sha3-256",
  "essiv:blake2s-256",
  "essiv:sm3",
];

/**
 * All ciphers that a data segment may name, in dm-crypt's spelling. Nothing else is opened or mapped: no null cipher,
 * no `capi:` text, no mode without an initialisation vector, no authenticated mode.
 *
 * - AES in XTS and CBC, which this library reads and writes itself.
 * - Serpent, Twofish and Camellia in the same modes, and Adiantum, which cryptsetup offers: only the kernel maps them.
 */
export const segmentCiphers: ReadonlyMap<string, CipherRow> = new Map<string, CipherRow>([
  ...ivs.flatMap((iv): [string, CipherRow][] => [
    [`aes-xts-${iv}`, { keyBitLengths: xtsBits, read: { mode: "xts", iv } }],
    [`aes-cbc-${iv}`, { keyBitLengths: cbcBits, read: { mode: "cbc", iv } }],
  ]),
  // dm-crypt ignores what follows plain64; Tomb writes it.
  ["aes-xts-plain64:sha256", { keyBitLengths: xtsBits, read: { mode: "xts", iv: "plain64" } }],
  ...["serpent", "twofish", "camellia"].flatMap((name) =>
    ["plain64", "plain", "essiv:sha256"].flatMap((iv): [string, CipherRow][] => [
      [`${name}-xts-${iv}`, { keyBitLengths: xtsBits, read: undefined }],
      [`${name}-cbc-${iv}`, { keyBitLengths: cbcBits, read: undefined }],
    ]),
  ),
  ["xchacha12,aes-adiantum-plain64", { keyBitLengths: [256], read: undefined }],
  ["xchacha20,aes-adiantum-plain64", { keyBitLengths: [256], read: undefined }],
]);

/** @returns undefined for a text that is not in the table */
export function segmentCipher(name: string): SegmentCipher | undefined {
  return segmentCiphers.has(name) ? (name as SegmentCipher) : undefined;
}

/**
 * A cipher that does not encrypt, in any of its spellings, such as `cipher_null-ecb` or `capi:ecb(cipher_null)`. The `null` at
 * the end of `aes-cbc-null` is an IV.
 */
export function isNullCipher(name: string): boolean {
  return /null/i.test(name.replace(/^(capi:.*\)|[^-]+-[^-]+)-null$/i, "$1"));
}
