import { readFileSync } from "node:fs";

/** What the proof and the document call what comes of a change. */
export const outcomes = ["detected", "no effect", "hidden", "wrong", "impossible"] as const;
export type Outcome = (typeof outcomes)[number];

/** A line of docs/database-tampering.md. */
export interface Documented {
  readonly table: string;
  readonly columns: readonly string[];
  readonly kinds: readonly string[];
  readonly outcome: Outcome;
}

/** Reads the table of outcomes; several names in one cell are separated by commas, and `*` stands for a whole row. */
export function readDocumented(file: URL): readonly Documented[] {
  const found: Documented[] = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const cells = line.split("|").map((cell) => cell.trim().replaceAll("`", ""));
    const [, table = "", columns = "", kinds = "", outcome = "", why = ""] = cells;
    if (!outcomes.includes(outcome as Outcome)) continue;
    if (why === "") throw new Error(`${file.pathname}: ${table} ${columns}: it gives no reason`);
    found.push({
      table,
      columns: names(columns),
      kinds: names(kinds),
      outcome: outcome as Outcome,
    });
  }
  if (found.length === 0) throw new Error(`${file.pathname}: it has no table of outcomes`);
  return found;
}

function names(cell: string): readonly string[] {
  return cell.split(",").map((name) => name.trim().replaceAll("\\", ""));
}

/** The line that a change's outcome is documented in. */
export function lineOf(
  documented: readonly Documented[],
  change: { readonly table: string; readonly column: string; readonly kind: string },
  outcome: Outcome,
): Documented | undefined {
  return documented.find(
    (line) =>
      line.table === change.table &&
      line.columns.includes(change.column) &&
      line.kinds.includes(change.kind) &&
      line.outcome === outcome,
  );
}
