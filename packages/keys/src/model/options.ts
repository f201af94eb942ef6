import { KeyManagerError } from "./errors.ts";

/**
 * Refuses a misspelled option, with the likely right spelling.
 *
 * @throws `invalid_argument` if `options` has a property that is not in `known`.
 */
export function refuseUnknownOptions(
  what: string,
  options: object,
  known: readonly string[],
): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new KeyManagerError(
      "invalid_argument",
      `${what}: there is no option "${name}"${suggestion(name, known)}`,
    );
  }
}

/** A half sentence that names the candidate nearest to `name`, or lists them all if none is near. */
export function suggestion(name: string, candidates: readonly string[]): string {
  const nearest = candidates
    .map((candidate) => ({
      candidate,
      distance: editDistance(name.toLowerCase(), candidate.toLowerCase()),
    }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  const near =
    nearest !== undefined && nearest.distance <= Math.max(2, Math.floor(name.length / 3));
  return near
    ? `: did you mean "${nearest.candidate}"?`
    : `: it is one of ${candidates.join(", ")}`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, left] of a.split("").entries()) {
    const next = [i + 1];
    for (const [j, right] of b.split("").entries()) {
      const replace = (row[j] ?? 0) + (left === right ? 0 : 1);
      next.push(Math.min(replace, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
