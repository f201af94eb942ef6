import { inspect } from "node:util";

/**
 * The key that encrypts a disk's sectors.
 *
 * Every way of printing it yields its length only. To read the bytes, name the place:
 * `volumeKey.use((bytes) => …)`. It prevents accidents, not memory forensics: copies that a reader
 * makes, and those the garbage collector has not overwritten yet, live on.
 */
export class VolumeKey {
  readonly #bytes: Uint8Array;

  /** Keeps a copy of `bytes`; the caller should overwrite its own afterwards. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Uint8Array.from(bytes);
  }

  /** In bits. An AES-XTS key counts both halves: 256 or 512. */
  get bitLength(): number {
    return this.#bytes.length * 8;
  }

  /**
   * Lends a copy to `read`, and zeroes the copy when `read` is done, has thrown,
   * or, if it returned a promise, when that promise has settled.
   */
  use<T>(read: (bytes: Uint8Array) => T): T {
    const copy = Uint8Array.from(this.#bytes);
    let result: T;
    try {
      result = read(copy);
    } catch (error) {
      copy.fill(0);
      throw error;
    }
    if (result instanceof Promise) {
      return result.finally(() => copy.fill(0)) as T;
    }
    copy.fill(0);
    return result;
  }

  /** Overwrites the bytes. The key is all zeroes afterwards, and no longer of use. */
  destroy(): void {
    this.#bytes.fill(0);
  }

  /** `using unlocked = …` destroys the key at the end of the block. */
  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Its length, and no byte. */
  toString(): string {
    return `[volume key: ${this.bitLength} bits]`;
  }

  /** As {@link toString}. */
  toJSON(): string {
    return this.toString();
  }

  /** As {@link toString}. */
  [inspect.custom](): string {
    return this.toString();
  }
}
