import { randomBytes, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

/**
 * Bytes that must not reach a log, an error or a JSON body by accident.
 *
 * Every way of printing one yields its length only. To read the bytes, name the
 * place: `key.value.use((bytes) => …)`. Search for `.use(` to audit them all.
 *
 * It prevents accidents, not memory forensics: copies that a reader makes, and
 * those that the runtime's garbage collector has not overwritten yet, live on.
 */
export class SecretBytes {
  readonly #bytes: Uint8Array;

  /** Keeps a copy of `bytes`; the caller may overwrite its own afterwards. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Uint8Array.from(bytes);
  }

  /** The UTF-8 bytes of a password, token or passphrase. */
  static fromText(text: string): SecretBytes {
    return SecretBytes.#taking(new TextEncoder().encode(text));
  }

  /** `length` bytes from the operating system's generator. */
  static random(length: number): SecretBytes {
    return SecretBytes.#taking(randomBytes(length));
  }

  static #taking(bytes: Uint8Array): SecretBytes {
    const secret = new SecretBytes(bytes);
    bytes.fill(0);
    return secret;
  }

  /** In bytes. */
  get length(): number {
    return this.#bytes.length;
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
    if (result instanceof Promise) return result.finally(() => copy.fill(0)) as T;
    copy.fill(0);
    return result;
  }

  /** Lends the bytes as UTF-8 text, for protocols that have no other form (a header, a JSON body). */
  useText<T>(read: (text: string) => T): T {
    return this.use((bytes) => read(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  }

  /** Compares in time that depends on the lengths only. */
  equals(other: SecretBytes): boolean {
    return this.length === other.length && timingSafeEqual(this.#bytes, other.#bytes);
  }

  /** How many bytes, and no byte. */
  toString(): string {
    return `[secret: ${this.#bytes.length} bytes]`;
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
