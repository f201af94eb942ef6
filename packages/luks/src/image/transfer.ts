import { sectorCipher } from "../cipher/choose.ts";
import { parseCipher } from "../cipher/cipher-spec.ts";
import { ivSectorBytes, type SectorCipher } from "../cipher/sector-cipher.ts";
import type { BlockDevice } from "../device.ts";
import { LuksError } from "../errors.ts";

/** How the bytes on one side of a transfer are encrypted; undefined on that side if they are not. */
export interface SideCipher {
  /** dm-crypt's name. */
  readonly cipher: string;
  readonly key: Uint8Array;
  readonly sectorSize: number;
  /** Added to each sector's number. */
  readonly ivTweak: number;
}

/** Data on its way from one place to another, changing its encryption. Can be sent to a worker thread. */
export interface TransferSpec {
  readonly source: SideCipher | undefined;
  readonly target: SideCipher | undefined;
  /** Where byte 0 of the data lies on each side. */
  readonly sourceOffset: number;
  readonly targetOffset: number;
  /** The target is a new file: stretches of zero plaintext are not written. */
  readonly skipZeroes: boolean;
  /** Zero ciphertext of a whole block stands for a hole, which reads as zeroes. */
  readonly zeroCiphertextIsHole: boolean;
}

/** Of one read, one pass of the cipher and one write, in bytes. */
export const transferChunkBytes = 1024 * 1024;
/** Holes are found in blocks of so many bytes. */
const holeBytes = 64 * 1024;
const zeroes = new Uint8Array(holeBytes);

/** Moves ranges of data; one chunk is read and another written while a third is in the cipher. */
export class Transfer {
  readonly #spec: TransferSpec;
  readonly #source: BlockDevice;
  readonly #target: BlockDevice;
  readonly #decryptor: SectorCipher | undefined;
  readonly #encryptor: SectorCipher | undefined;
  readonly #buffers = [0, 1, 2].map(() => Buffer.allocUnsafeSlow(transferChunkBytes));

  constructor(spec: TransferSpec, source: BlockDevice, target: BlockDevice) {
    this.#spec = spec;
    this.#source = source;
    this.#target = target;
    this.#decryptor = spec.source && cipherOf(spec.source);
    this.#encryptor = spec.target && cipherOf(spec.target);
  }

  /** Moves the bytes from `start` to `end` of the data; within that range, the sides must not overlap. */
  async move(
    start: number,
    end: number,
    onBytes: (bytes: number) => void = () => {},
    signal?: AbortSignal,
  ): Promise<void> {
    let reading = this.#read(0, start, end);
    let writing: Promise<void> = Promise.resolve();
    try {
      for (let position = start, turn = 0; position < end; position += transferChunkBytes, turn++) {
        if (signal?.aborted) throw new LuksError("aborted", "move data: aborted");
        const chunk = await reading;
        reading = this.#read(turn + 1, position + transferChunkBytes, end);
        reading.catch(() => {});
        const holes = this.#holesOf(chunk);
        this.#decryptor?.decrypt(chunk, ivSector(this.#spec.source, position));
        for (const offset of holes) chunk.fill(0, offset, offset + holeBytes);
        const skipped = this.#spec.skipZeroes ? zeroBlocks(chunk) : [];
        this.#encryptor?.encrypt(chunk, ivSector(this.#spec.target, position));
        await writing;
        writing = this.#write(chunk, position, skipped);
        // Awaited below; until then a failure must not count as one that nobody handles.
        writing.catch(() => {});
        onBytes(chunk.length);
      }
    } finally {
      // Whatever fails, no read or write goes on into a buffer or file that others use.
      await Promise.allSettled([reading, writing]);
      for (const buffer of this.#buffers) buffer.fill(0);
    }
    await writing;
  }

  async #read(turn: number, position: number, end: number): Promise<Buffer> {
    const length = Math.max(0, Math.min(transferChunkBytes, end - position));
    const chunk = (this.#buffers[turn % 3] as Buffer).subarray(0, length);
    if (length > 0) await this.#source.read(this.#spec.sourceOffset + position, chunk);
    return chunk;
  }

  async #write(chunk: Buffer, position: number, skipped: readonly number[]): Promise<void> {
    const { targetOffset } = this.#spec;
    let from = 0;
    for (const offset of [...skipped, chunk.length]) {
      if (offset > from) {
        await this.#target.write(targetOffset + position + from, chunk.subarray(from, offset));
      }
      from = offset + holeBytes;
    }
  }

  #holesOf(chunk: Buffer): readonly number[] {
    return this.#spec.zeroCiphertextIsHole ? zeroBlocks(chunk) : [];
  }
}

/** Offsets of blocks in which all is zero. */
function zeroBlocks(chunk: Buffer): readonly number[] {
  const found = [];
  for (let offset = 0; offset < chunk.length; offset += holeBytes) {
    const block = chunk.subarray(offset, offset + holeBytes);
    if (Buffer.compare(block, zeroes.subarray(0, block.length)) === 0) found.push(offset);
  }
  return found;
}

function cipherOf(side: SideCipher): SectorCipher {
  return sectorCipher(parseCipher("move data", side.cipher), side.key, side.sectorSize);
}

function ivSector(side: SideCipher | undefined, position: number): number {
  return (side?.ivTweak ?? 0) + position / ivSectorBytes;
}
