import type { BlockDevice } from "../src/device/device.ts";
import { LuksError } from "../src/errors.ts";

/** Thrown where the power goes. */
export class PowerCut extends Error {}

/** A disk in memory that loses power after so many written bytes: the write is cut right there. */
export class MemoryDevice implements BlockDevice {
  readonly name = "memory";
  readonly bytes: Uint8Array;
  /** Lengths of the writes so far. */
  readonly writes: number[] = [];
  #left: number;

  constructor(bytes: Uint8Array, bytesUntilPowerCut = Number.POSITIVE_INFINITY) {
    this.bytes = bytes;
    this.#left = bytesUntilPowerCut;
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    if (offset + into.length > this.size) {
      return Promise.reject(new LuksError("too_small", "read memory: ends"));
    }
    into.set(this.bytes.subarray(offset, offset + into.length));
    return Promise.resolve();
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    const length = Math.min(data.length, this.#left);
    this.#left -= length;
    this.writes.push(data.length);
    this.bytes.set(data.subarray(0, length), offset);
    return length < data.length ? Promise.reject(new PowerCut()) : Promise.resolve();
  }

  sync(): Promise<void> {
    return this.#left === 0 ? Promise.reject(new PowerCut()) : Promise.resolve();
  }
}
