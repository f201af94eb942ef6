import { createCipheriv, createDecipheriv } from "node:crypto";
import { sharedXtsMemory, type XtsMemory, xtsChunkBytes } from "../wasm/xts.ts";
import type { CipherSpec } from "./cipher-spec.ts";
import { ivSectorBytes, requireKeyLength, type SectorCipher } from "./sector-cipher.ts";

/**
 * AES-XTS at the speed of the processor's AES instructions: one ECB call for all blocks of a chunk, between two
 * XORs with the tweak stream (IEEE 1619-2018, section 5.3), instead of one OpenSSL cipher a sector. Gives the very
 * bytes of the reference cipher.
 *
 * @param memory data that lies in it is changed there, other data is copied into it and back. Default: one
 *   that all ciphers share
 * @returns undefined for other ciphers, for equal key halves (which the reference refuses), and where the runtime has
 *   no WebAssembly SIMD
 */
export function fastXtsCipher(
  cipher: CipherSpec,
  key: Uint8Array,
  sectorSize: number,
  memory: XtsMemory | undefined = sharedXtsMemory(),
): SectorCipher | undefined {
  requireKeyLength(cipher, key);
  const dataKey = key.subarray(0, key.length / 2);
  const tweakKey = key.subarray(key.length / 2);
  if (cipher.mode !== "xts" || cipher.iv !== "plain64") return undefined;
  if (Buffer.compare(dataKey, tweakKey) === 0) return undefined;
  if (!memory) return undefined;
  const algorithm = `aes-${dataKey.length * 8}-ecb`;
  const tweakCipher = createCipheriv(algorithm, tweakKey, null).setAutoPadding(false);
  const encryptor = createCipheriv(algorithm, dataKey, null).setAutoPadding(false);
  const decryptor = createDecipheriv(algorithm, dataKey, null).setAutoPadding(false);
  const tweaks = new TweakNumbers();
  const run = (data: Uint8Array, firstIvSector: number, transform: Transform) => {
    for (let offset = 0; offset < data.length; offset += xtsChunkBytes) {
      const part = data.subarray(offset, offset + xtsChunkBytes);
      const sectors = part.length / sectorSize;
      const first = firstIvSector + offset / ivSectorBytes;
      const numbers = tweaks.number(first, sectorSize / ivSectorBytes, sectors);
      takeOutput(memory.tweaks, tweakCipher.update(numbers));
      if (part.buffer === memory.data.buffer) {
        transformChunk(memory, part, part.byteOffset, sectors, sectorSize / 16, transform);
      } else {
        const chunk = memory.data.subarray(0, part.length);
        chunk.set(part);
        transformChunk(memory, chunk, 0, sectors, sectorSize / 16, transform);
        part.set(chunk);
        chunk.fill(0);
      }
    }
  };
  return {
    sectorSize,
    encrypt: (data, sector) => run(data, sector, encryptor),
    decrypt: (data, sector) => run(data, sector, decryptor),
  };
}

interface Transform {
  update(data: Uint8Array): Uint8Array<ArrayBuffer>;
}

function transformChunk(
  memory: XtsMemory,
  chunk: Uint8Array,
  offset: number,
  sectors: number,
  blocksPerSector: number,
  transform: Transform,
): void {
  memory.xor(offset, sectors, blocksPerSector);
  takeOutput(chunk, transform.update(chunk));
  memory.xor(offset, sectors, blocksPerSector);
}

/**
 * Node.js allocates the output of a cipher for each call, and the garbage collector lets a hundred megabytes pile up.
 * To transfer a buffer into one of no bytes frees it at once; the next call then gets the same memory, warm.
 */
function takeOutput(into: Uint8Array, output: Uint8Array<ArrayBuffer>): void {
  into.set(output);
  if (output.buffer.byteLength === output.byteLength) output.buffer.transfer(0);
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
