import type { TaggedValue } from "../model/tagged-value.ts";
import { Mac } from "./mac.ts";
import { VerifiedRows } from "./verified-rows.ts";

/**
 * Tags the rows of a database, so that a change that did not come from the server shows. A row is given as the values
 * that its tag covers, in order; the first is the table's name.
 *
 * New tags are made under the first key. Tags under the other keys still verify, while a rotation replaces them.
 */
export class RowTags {
  readonly #current: Mac;
  readonly #older: readonly Mac[];
  readonly #verified = new VerifiedRows();

  /** @param keys 32 bytes each, the current one first; copied */
  constructor(keys: readonly Uint8Array[]) {
    const [current, ...older] = keys.map((key) => new Mac(key));
    if (!current) throw new RangeError("row tags: no key was given");
    this.#current = current;
    this.#older = older;
  }

  /** The tag (32 bytes) of a row. */
  of(values: readonly TaggedValue[]): Buffer {
    return this.#current.of(textOf(values));
  }

  /** False if `tag` is missing, or is not the tag of this row. */
  verifies(values: readonly TaggedValue[], tag: Uint8Array | null): boolean {
    if (tag === null) return false;
    if (this.#verified.has(values, tag)) return true;
    const text = textOf(values);
    const verifies = this.#current.verifies(text, tag) || this.#verifiesUnderOlder(text, tag);
    if (verifies) this.#verified.add(values, tag);
    return verifies;
  }

  #verifiesUnderOlder(text: string, tag: Uint8Array): boolean {
    return this.#older.some((mac) => mac.verifies(text, tag));
  }
}

/** Injective: no two rows have the same text, and no two tables. */
function textOf(values: readonly TaggedValue[]): string {
  return JSON.stringify(values.map(encoded));
}

function encoded(value: TaggedValue): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") };
  return Array.isArray(value) ? (value as readonly TaggedValue[]).map(encoded) : value;
}
