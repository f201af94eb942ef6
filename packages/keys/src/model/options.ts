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
      `${what}: unknown option "${name}"${suggestion(name, known)}`,
    );
  }
}

/** A half sentence that names the candidate nearest to `name`, or lists them all if none is near. */
export function suggestion(name: string, candidates: readonly string[]): string {
  const near = nearestTo(name, candidates, 2);
  return near === undefined
    ? `: it is one of ${candidates.join(", ")}`
    : `: did you mean "${near}"?`;
}

/**
 * The candidate that a misspelled word probably means: at most a third of its letters, or `least`, differ. Case is
 * ignored, and only the first 64 letters count.
 */
export function nearestTo(
  word: string,
  candidates: Iterable<string>,
  least = 1,
): string | undefined {
  const typed = word.slice(0, 64).toLowerCase();
  let nearest: string | undefined;
  let limit = Math.max(least, Math.floor(typed.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(typed, candidate.toLowerCase());
    if (distance >= limit) continue;
    nearest = candidate;
    limit = distance;
  }
  return nearest;
}

/** Levenshtein's distance: how many letters must be inserted, removed or replaced. */
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
