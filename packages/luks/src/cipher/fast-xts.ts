import { createCipheriv, createDecipheriv } from "node:crypto";
import { loadXtsXor, type XtsXor, xtsChunkBytes } from "../wasm/xts.ts";
import type { CipherSpec } from "./cipher-spec.ts";
import { ivSectorBytes, requireKeyLength, type SectorCipher } from "./sector-cipher.ts";

/**
 * AES-XTS at the speed of the processor's AES instructions: one ECB call for all blocks of a chunk, between two
 * XORs with the tweak stream (IEEE 1619-2018, section 5.3), instead of one OpenSSL cipher a sector. Gives the very
 * bytes of the reference cipher.
 *
 * @returns undefined for other ciphers, for equal key halves (which the reference refuses), and where the runtime has
 *   no WebAssembly SIMD
 */
export function fastXtsCipher(
  cipher: CipherSpec,
  key: Uint8Array,
  sectorSize: number,
): SectorCipher | undefined {
  requireKeyLength(cipher, key);
  const dataKey = key.subarray(0, key.length / 2);
  const tweakKey = key.subarray(key.length / 2);
  if (cipher.mode !== "xts" || cipher.iv !== "plain64") return undefined;
  if (Buffer.compare(dataKey, tweakKey) === 0) return undefined;
  const memory = loadXtsXor();
  if (!memory) return undefined;
  const algorithm = `aes-${dataKey.length * 8}-ecb`;
  const tweakCipher = createCipheriv(algorithm, tweakKey, null).setAutoPadding(false);
  const encryptor = createCipheriv(algorithm, dataKey, null).setAutoPadding(false);
  const decryptor = createDecipheriv(algorithm, dataKey, null).setAutoPadding(false);
  const tweaks = new TweakNumbers();
  const run = (data: Uint8Array, firstIvSector: number, transform: typeof encryptor) => {
    for (let offset = 0; offset < data.length; offset += xtsChunkBytes) {
      const part = data.subarray(offset, offset + xtsChunkBytes);
      const sectors = part.length / sectorSize;
      const first = firstIvSector + offset / ivSectorBytes;
      const numbers = tweaks.number(first, sectorSize / ivSectorBytes, sectors);
      memory.tweaks.set(tweakCipher.update(numbers));
      transformChunk(memory, part, sectors, sectorSize / 16, transform);
    }
  };
  return {
    sectorSize,
    encrypt: (data, sector) => run(data, sector, encryptor),
    decrypt: (data, sector) => run(data, sector, decryptor),
  };
}

function transformChunk(
  memory: XtsXor,
  part: Uint8Array,
  sectors: number,
  blocksPerSector: number,
  transform: { update(data: Uint8Array): Uint8Array },
): void {
  const chunk = memory.data.subarray(0, part.length);
  chunk.set(part);
  memory.xor(sectors, blocksPerSector);
  chunk.set(transform.update(chunk));
  memory.xor(sectors, blocksPerSector);
  part.set(chunk);
}

/** The sector numbers of a chunk as 128-bit little-endian integers, what `plain64` means. */
class TweakNumbers {
  readonly #words = new Uint32Array((xtsChunkBytes / ivSectorBytes) * 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  number(first: number, step: number, count: number): Uint8Array {
    for (let i = 0, sector = first; i < count; i++, sector += step) {
      this.#words[i * 4] = sector % 2 ** 32;
      this.#words[i * 4 + 1] = Math.floor(sector / 2 ** 32);
    }
    return this.#bytes.subarray(0, count * 16);
  }
}
