import type { XtsMemory } from "../wasm/xts.ts";
import type { CipherSpec } from "./cipher-spec.ts";
import { fastXtsCipher } from "./fast-xts.ts";
import { referenceCipher, type SectorCipher } from "./sector-cipher.ts";

/**
 * The fastest cipher for these sectors.
 *
 * @param key of a length that fits the cipher
 * @param memory in which it changes data without a copy
 * @throws `invalid_argument` for any other
 */
export function sectorCipher(
  cipher: CipherSpec,
  key: Uint8Array,
  sectorSize: number,
  memory?: XtsMemory,
): SectorCipher {
  return fastXtsCipher(cipher, key, sectorSize, memory) ?? referenceCipher(cipher, key, sectorSize);
}
