import { LuksError } from "./errors.ts";

/**
 * Refuses an options object with a name that is not among `known`, naming the likely right spelling.
 *
 * @throws `invalid_argument`
 */
export function refuseUnknownOptions(
  operation: string,
  options: object,
  known: readonly string[],
): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const likely = known
      .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
      .toSorted((a, b) => a.distance - b.distance)[0];
    const hint =
      likely && likely.distance <= Math.max(2, name.length / 2)
        ? `, did you mean ${likely.candidate}`
        : "";
    throw new LuksError("invalid_argument", `${operation} ${name}: unknown option${hint}`);
  }
}

/** @throws `invalid_argument` unless `value` is an integer from `least` to `most`. */
export function requireInteger(
  operation: string,
  name: string,
  value: unknown,
  least: number,
  most: number,
): asserts value is number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw new LuksError(
      "invalid_argument",
      `${operation} ${name}: must be an integer from ${least} to ${most}`,
    );
  }
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change =
        (row[j - 1] ?? 0) + (a[i - 1]?.toLowerCase() === b[j - 1]?.toLowerCase() ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
