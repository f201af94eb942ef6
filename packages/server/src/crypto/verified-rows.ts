import type { TaggedValue } from "../model/tagged-value.ts";

const mostRows = 1_000;
/** Of a row's strings, in characters. Longer rows are not remembered. */
const longestRow = 1_000;

interface VerifiedRow {
  readonly values: readonly TaggedValue[];
  readonly tag: Uint8Array;
}

/**
 * Remembers rows whose tags verified, so that reading one again costs no MAC. A row that differs in any value, or in its
 * tag, is not found. When it is full, it forgets all rows.
 */
export class VerifiedRows {
  readonly #rows = new Map<string, VerifiedRow>();

  /** True if this row verified before with this tag. */
  has(values: readonly TaggedValue[], tag: Uint8Array): boolean {
    const found = this.#rows.get(nameOf(values));
    if (found?.values.length !== values.length) return false;
    for (let i = 0; i < values.length; i++) if (values[i] !== found.values[i]) return false;
    return Buffer.compare(tag, found.tag) === 0;
  }

  add(values: readonly TaggedValue[], tag: Uint8Array): void {
    if (!isSmall(values)) return;
    if (this.#rows.size >= mostRows) this.#rows.clear();
    // A copy: a driver's arrays may be parts of larger memory.
    this.#rows.set(nameOf(values), { values, tag: Uint8Array.from(tag) });
  }
}

/** The table and the first column: one row for each is remembered. */
function nameOf([table, first]: readonly TaggedValue[]): string {
  return `${String(table)} ${String(first)}`;
}

function isSmall(values: readonly TaggedValue[]): boolean {
  let length = 0;
  for (const value of values) {
    if (typeof value === "object" && value !== null) return false;
    if (typeof value === "string") length += value.length;
  }
  return length <= longestRow;
}
