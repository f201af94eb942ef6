/** Any JSON value. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** Section 3.5: a note in the header for the program that opens the disk. Types of `luks2-` are reserved. */
export interface LuksToken {
  readonly type: string;
  /** Numbers of the slots that this token is about, as decimal strings. */
  readonly keyslots: readonly string[];
  readonly [field: string]: JsonValue;
}
