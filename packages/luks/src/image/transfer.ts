import { sectorCipher } from "../crypto/choose-cipher.ts";
import { parseCipher } from "../crypto/cipher-spec.ts";
import { ivSectorBytes, type SectorCipher } from "../crypto/sector-cipher.ts";
import type { DataCipher } from "../data/data-cipher.ts";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import { loadXtsMemory, type XtsMemory } from "../wasm/xts.ts";

/** Data on its way from one place to another, changing its encryption. Can be sent to a worker thread. */
export interface TransferSpec {
  readonly source: DataCipher | undefined;
  readonly target: DataCipher | undefined;
  /** Where byte 0 of the data lies on each side. */
  readonly sourceOffset: number;
  readonly targetOffset: number;
  /** The target is a new file: stretches of zero plaintext are not written. */
  readonly skipZeroes: boolean;
  /** Zero ciphertext of a whole block stands for a hole, which reads as zeroes. */
  readonly zeroCiphertextIsHole: boolean;
}

/** How a transfer uses memory. */
export interface TransferShape {
  /** Of one read, one pass of the cipher and one write; a multiple of 64 KiB. */
  readonly chunkBytes: number;
  /** Chunks on their way at once. */
  readonly slots: number;
}

/** Where reads and writes run beside the cipher: each costs a change of thread, so there should be few. */
const asynchronousShape: TransferShape = { chunkBytes: 512 * 1024, slots: 4 };
/** Where they do not: one chunk, which stays in the processor's cache from its read to its write. */
export const synchronousShape: TransferShape = { chunkBytes: 256 * 1024, slots: 1 };

/** Holes are found in blocks of so many bytes. */
const holeBytes = 64 * 1024;
const zeroes = new Uint8Array(holeBytes);

/** Moves ranges of data; while one chunk is in the cipher, others are being read and written. */
export class Transfer {
  readonly #spec: TransferSpec;
  readonly #source: BlockDevice;
  readonly #target: BlockDevice;
  readonly #decryptor: SectorCipher | undefined;
  readonly #encryptor: SectorCipher | undefined;
  readonly #chunkBytes: number;
  readonly #buffers: readonly Uint8Array[];

  constructor(
    spec: TransferSpec,
    source: BlockDevice,
    target: BlockDevice,
    { chunkBytes, slots }: TransferShape = asynchronousShape,
  ) {
    this.#spec = spec;
    this.#source = source;
    this.#target = target;
    this.#chunkBytes = chunkBytes;
    const memory = loadXtsMemory(slots * chunkBytes);
    const data = memory?.data ?? new Uint8Array(slots * chunkBytes);
    this.#buffers = Array.from({ length: slots }, (_, slot) =>
      data.subarray(slot * chunkBytes, (slot + 1) * chunkBytes),
    );
    this.#decryptor = spec.source && cipherOf(spec.source, memory);
    this.#encryptor = spec.target && cipherOf(spec.target, memory);
  }

  /** Moves the bytes from `start` to `end` of the data; within that range, the sides must not overlap. */
  async move(
    start: number,
    end: number,
    onBytes: (bytes: number) => void = () => {},
    signal?: AbortSignal,
  ): Promise<void> {
    const chunkBytes = this.#chunkBytes;
    const slots = this.#buffers.length;
    const chunks = Math.ceil((end - start) / chunkBytes);
    const ahead = Math.floor(slots / 2);
    const reads: Promise<Uint8Array>[] = [];
    const writes: Promise<void>[] = [];
    const startReading = (turn: number) => {
      if (turn >= chunks) return;
      const slot = turn % slots;
      const position = start + turn * chunkBytes;
      reads[slot] = handledLater(this.#read(slot, position, end, writes[slot]));
    };
    try {
      for (let turn = 0; turn < ahead; turn++) startReading(turn);
      for (let turn = 0; turn < chunks; turn++) {
        if (signal?.aborted) throw new LuksError("aborted", "move data: aborted");
        const position = start + turn * chunkBytes;
        startReading(turn + ahead);
        const chunk = (await reads[turn % slots]) as Uint8Array;
        const holes = this.#spec.zeroCiphertextIsHole ? zeroBlocks(chunk) : [];
        this.#decryptor?.decrypt(chunk, ivSector(this.#spec.source, position));
        for (const offset of holes) chunk.fill(0, offset, offset + holeBytes);
        const skipped = this.#spec.skipZeroes ? zeroBlocks(chunk) : [];
        this.#encryptor?.encrypt(chunk, ivSector(this.#spec.target, position));
        writes[turn % slots] = handledLater(this.#write(chunk, position, skipped));
        onBytes(chunk.length);
      }
      await Promise.all(writes);
    } finally {
      // Whatever fails, no read or write goes on into a buffer or file that others use.
      await Promise.allSettled([...reads, ...writes]);
      for (const buffer of this.#buffers) buffer.fill(0);
    }
  }

  /** @param before the write of what was in the slot, which is free when it is done */
  async #read(
    slot: number,
    position: number,
    end: number,
    before: Promise<void> | undefined,
  ): Promise<Uint8Array> {
    await before;
    const length = Math.min(this.#chunkBytes, end - position);
    const chunk = (this.#buffers[slot] as Uint8Array).subarray(0, length);
    await this.#source.read(this.#spec.sourceOffset + position, chunk);
    return chunk;
  }

  async #write(chunk: Uint8Array, position: number, skipped: readonly number[]): Promise<void> {
    const { targetOffset } = this.#spec;
    let from = 0;
    for (const offset of [...skipped, chunk.length]) {
      if (offset > from) {
        await this.#target.write(targetOffset + position + from, chunk.subarray(from, offset));
      }
      from = offset + holeBytes;
    }
  }
}

/** Its outcome is awaited further down; until then a failure must not count as unhandled. */
function handledLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Offsets of blocks in which all is zero. */
function zeroBlocks(chunk: Uint8Array): readonly number[] {
  const found = [];
  for (let offset = 0; offset < chunk.length; offset += holeBytes) {
    const block = chunk.subarray(offset, offset + holeBytes);
    if (Buffer.compare(block, zeroes.subarray(0, block.length)) === 0) found.push(offset);
  }
  return found;
}

function cipherOf(side: DataCipher, memory: XtsMemory | undefined): SectorCipher {
  return sectorCipher(parseCipher("move data", side.cipher), side.key, side.sectorSize, memory);
}

function ivSector(side: DataCipher | undefined, position: number): number {
  return (side?.ivTweak ?? 0) + position / ivSectorBytes;
}
