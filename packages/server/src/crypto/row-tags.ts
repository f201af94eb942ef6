import { Mac } from "./mac.ts";

/**
 * Tags the rows of a database, so that a change that did not come from the server shows.
 *
 * New tags are made under the first key. Tags under the other keys still verify, while a rotation replaces them.
 */
export class RowTags {
  readonly #current: Mac;
  readonly #older: readonly Mac[];

  /** @param keys 32 bytes each, the current one first; copied */
  constructor(keys: readonly Uint8Array[]) {
    const [current, ...older] = keys.map((key) => new Mac(key));
    if (!current) throw new RangeError("row tags: no key was given");
    this.#current = current;
    this.#older = older;
  }

  /** The tag (32 bytes) of a row's text. */
  of(text: string): Buffer {
    return this.#current.of(text);
  }

  /** False if `tag` is missing, or is not the tag of this text. */
  verifies(text: string, tag: Uint8Array | null): boolean {
    if (tag === null) return false;
    if (this.#current.verifies(text, tag)) return true;
    for (const older of this.#older) if (older.verifies(text, tag)) return true;
    return false;
  }
}
