/** One of the values that a tag covers: a column, or the rows of another table that belong to the row. */
export type TaggedValue = string | number | null | Uint8Array | readonly TaggedValue[];
