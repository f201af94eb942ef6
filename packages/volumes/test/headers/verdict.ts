/**
 * What is known of the disk.
 *
 * - `row`: the ledger has a row, and remembers the disk as it was;
 * - `stranger`: it has none; the key that the honest disk names is registered for it;
 * - `named`: it has none, and the caller says which key opens the disk.
 */
export type Setting = "row" | "stranger" | "named";

/**
 * What became of a hostile header. Allowed are `refused`, with a row `same mapping`, and without one `own disk`: a
 * mapping in our exact grammar over this disk alone.
 */
export type Verdict =
  | { readonly outcome: "refused" | "same mapping" | "own disk" }
  | { readonly outcome: "violation"; readonly what: string };

export const refused: Verdict = { outcome: "refused" };

export function violation(what: string): Verdict {
  return { outcome: "violation", what };
}

/** What an accepted header counts as. */
export function accepted(setting: Setting): Verdict {
  return { outcome: setting === "row" ? "same mapping" : "own disk" };
}
