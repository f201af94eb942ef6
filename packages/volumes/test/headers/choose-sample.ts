import { random } from "../../../luks/test/hostile/random.ts";

/** A header that was checked, and whether it may be worth a kernel's time. */
export interface Candidate {
  readonly index: number;
  readonly isAttack: boolean;
  /** The library accepted it in some setting: it is likely to get as far as a mapping. */
  readonly isAccepted: boolean;
}

/**
 * Chooses which headers are opened: a third of them attacks, a third accepted ones, and the rest of all kinds.
 *
 * @returns at most `wanted` indexes, in ascending order; the same for the same seed
 */
export function chooseSample(
  candidates: readonly Candidate[],
  wanted: number,
  seed: number,
): readonly number[] {
  const rank = ({ index }: Candidate) => random(seed + 1, index)(2 ** 30);
  const drawn = candidates.toSorted((a, b) => rank(a) - rank(b));
  const third = Math.floor(wanted / 3);
  const chosen = new Set([
    ...drawn.filter(({ isAttack }) => isAttack).slice(0, third),
    ...drawn.filter(({ isAttack, isAccepted }) => isAccepted && !isAttack).slice(0, third),
  ]);
  for (const candidate of drawn) if (chosen.size < wanted) chosen.add(candidate);
  return [...chosen].map(({ index }) => index).toSorted((a, b) => a - b);
}
