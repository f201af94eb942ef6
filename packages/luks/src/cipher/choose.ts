import type { CipherSpec } from "./cipher-spec.ts";
import { fastXtsCipher } from "./fast-xts.ts";
import { referenceCipher, type SectorCipher } from "./sector-cipher.ts";

/**
 * The fastest cipher for these sectors.
 *
 * @param key of a length that fits the cipher
 * @throws `invalid_argument` for any other
 */
export function sectorCipher(
  cipher: CipherSpec,
  key: Uint8Array,
  sectorSize: number,
): SectorCipher {
  return fastXtsCipher(cipher, key, sectorSize) ?? referenceCipher(cipher, key, sectorSize);
}
