import { Readable, Writable } from "node:stream";
import { callbackify } from "node:util";
import { sectorCipher } from "../crypto/choose-cipher.ts";
import { parseCipher } from "../crypto/cipher-spec.ts";
import type { KdfLimits } from "../crypto/kdf.ts";
import { ivSectorBytes, type SectorCipher } from "../crypto/sector-cipher.ts";
import { VolumeKey } from "../crypto/volume-key.ts";
import { type BlockDevice, type DeviceReference, withDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import type { CheckedDisk } from "../format/disk.ts";
import { requirePassphrase } from "../format/keyslot-spec.ts";
import { dataSize, requireDataApart } from "../format/layout.ts";
import { diskOf } from "../format/snapshot.ts";
import { loadChecked } from "../header/load.ts";
import { refuseUnknownOptions } from "../options.ts";
import { dataCipherOf, requireReadable } from "./data-cipher.ts";

const chunkBytes = 1024 * 1024;

/**
 * The plaintext of a LUKS disk: random access to any byte, and streams. Itself a {@link BlockDevice}.
 *
 * Writes that do not cover whole sectors read the rest first; two writes to one sector must not be made at once.
 */
export class OpenDisk implements BlockDevice {
  readonly name: string;
  /** Of the plaintext, in bytes. */
  readonly size: number;
  readonly #device: BlockDevice;
  readonly #cipher: SectorCipher;
  readonly #offset: number;
  readonly #ivTweak: number;

  /** @param offset where the data begins on `device` */
  constructor(
    device: BlockDevice,
    size: number,
    cipher: SectorCipher,
    offset: number,
    ivTweak: number,
  ) {
    this.name = device.name;
    this.size = size;
    this.#device = device;
    this.#cipher = cipher;
    this.#offset = offset;
    this.#ivTweak = ivTweak;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#requireInside("read", offset, into.length);
    for (const { at, from, to } of this.#chunks(offset, into.length)) {
      const sectors = await this.#readSectors(at, to);
      into.set(sectors.subarray(from), at + from - offset);
      sectors.fill(0);
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#requireInside("write", offset, bytes.length);
    const { sectorSize } = this.#cipher;
    for (const { at, from, to } of this.#chunks(offset, bytes.length)) {
      const length = Math.ceil(to / sectorSize) * sectorSize;
      const isWhole = from === 0 && to === length;
      const sectors = isWhole ? new Uint8Array(length) : await this.#readSectors(at, length);
      sectors.set(bytes.subarray(at + from - offset, at + to - offset), from);
      this.#cipher.encrypt(sectors, this.#ivSector(at));
      await this.#device.write(this.#offset + at, sectors);
    }
  }

  sync(): Promise<void> {
    return this.#device.sync();
  }

  /** The plaintext from byte `start` (default 0) up to `end` (default all). */
  readable(start = 0, end = this.size): Readable {
    this.#requireInside("read", start, end - start);
    return Readable.from(this.#parts(start, end), { objectMode: false });
  }

  /** Takes plaintext for byte `start` (default 0) and on. It is durable when the stream has finished. */
  writable(start = 0): Writable {
    let position = start;
    return new Writable({
      highWaterMark: chunkBytes,
      write: (chunk: Buffer, _encoding, done) => {
        const at = position;
        position += chunk.length;
        callbackify(() => this.write(at, chunk))(done);
      },
      final: (done) => {
        callbackify(() => this.sync())(done);
      },
    });
  }

  async *#parts(start: number, end: number): AsyncGenerator<Buffer> {
    for (let position = start; position < end; position += chunkBytes) {
      const part = Buffer.alloc(Math.min(chunkBytes, end - position));
      await this.read(position, part);
      yield part;
    }
  }

  /** Cuts a range at sectors and into chunks: `from` and `to` are what is meant of the sectors at `at`. */
  *#chunks(offset: number, length: number): Generator<{ at: number; from: number; to: number }> {
    const end = offset + length;
    let at = offset - (offset % this.#cipher.sectorSize);
    while (at < end) {
      const next = at + chunkBytes;
      yield { at, from: Math.max(0, offset - at), to: Math.min(end, next) - at };
      at = next;
    }
  }

  /** Decrypted, whole sectors; the view ends after `length` bytes. */
  async #readSectors(at: number, length: number): Promise<Uint8Array> {
    const { sectorSize } = this.#cipher;
    const sectors = new Uint8Array(Math.ceil(length / sectorSize) * sectorSize);
    await this.#device.read(this.#offset + at, sectors);
    this.#cipher.decrypt(sectors, this.#ivSector(at));
    return sectors.subarray(0, length);
  }

  #ivSector(position: number): number {
    return this.#ivTweak + position / ivSectorBytes;
  }

  #requireInside(operation: string, offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.size) return;
    throw new LuksError("invalid_argument", `${operation} ${this.name}: is outside the disk`);
  }
}

/** How a disk is opened. */
export interface WithOpenDiskOptions {
  /** Default `read`. */
  readonly access?: "read" | "write";
  /** Where the header is, if it is detached. */
  readonly header?: DeviceReference;
  /** What `checkHeader` or `unlock` returned for the disk. Default: the header is read and checked now. */
  readonly checked?: CheckedHeader;
  readonly limits?: KdfLimits;
}

/**
 * Opens the data of a disk, lends it to `work`, and forgets the volume key.
 *
 * @param authority a passphrase, or the volume key
 * @throws `wrong_passphrase`, `in_reencryption`, `unsupported`, `busy`
 */
export async function withOpenDisk<T>(
  device: DeviceReference,
  authority: Uint8Array | VolumeKey,
  work: (disk: OpenDisk) => Promise<T>,
  options: WithOpenDiskOptions = {},
): Promise<T> {
  const operation = "open disk";
  refuseUnknownOptions(operation, options, ["access", "header", "checked", "limits"]);
  const access = options.access === "write" ? "exclusive" : "read";
  return withDevice(operation, device, access, async (data) => {
    await data.claim?.();
    return withDevice(operation, options.header ?? data, "read", async (headerDevice) => {
      const disk = options.checked
        ? diskOf(operation, options.checked, headerDevice)
        : await loadChecked(operation, headerDevice);
      const { header } = disk;
      requireDataApart(operation, header, headerDevice, data);
      requireReadable(operation, data.name, header);
      const key = await keyOf(operation, disk, authority, options.limits ?? {});
      const side = dataCipherOf(operation, data.name, header, key);
      key.fill(0);
      const cipher = sectorCipher(parseCipher(operation, side.cipher), side.key, side.sectorSize);
      const size = dataSize(operation, header, data.size, data.name);
      try {
        return await work(new OpenDisk(data, size, cipher, header.dataOffset, side.ivTweak));
      } finally {
        side.key.fill(0);
      }
    });
  });
}

async function keyOf(
  operation: string,
  disk: CheckedDisk,
  authority: Uint8Array | VolumeKey,
  limits: KdfLimits,
): Promise<Uint8Array> {
  if (!(authority instanceof VolumeKey)) {
    requirePassphrase(operation, authority);
    return (await disk.unlock(operation, authority, undefined, limits)).key;
  }
  const key = authority.use((bytes) => Uint8Array.from(bytes));
  if (await disk.isVolumeKey(key, limits)) return key;
  key.fill(0);
  throw new LuksError("wrong_passphrase", `${operation}: not the volume key of this disk`);
}
