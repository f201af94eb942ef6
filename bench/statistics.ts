/** The value below which the fraction `q` of the samples lies. @param samples at least one */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  if (value === undefined) throw new Error("quantile: no samples");
  return value;
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** A ratio with the interval that holds it with a probability of 95 %. */
export interface RatioEstimate {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/**
 * How `now` compares with `before`, from pairs that were taken one right after the other: the geometric mean of the
 * pairs' ratios, and Student's interval for it.
 *
 * @param before at least two samples, as many as `now`, all above zero
 */
export function pairedRatio(before: readonly number[], now: readonly number[]): RatioEstimate {
  if (before.length !== now.length || before.length < 2) throw new Error("paired ratio: no pairs");
  const logarithms = now.map((sample, index) => Math.log(sample / (before[index] ?? 0)));
  const count = logarithms.length;
  const mean = logarithms.reduce((sum, value) => sum + value, 0) / count;
  const variance = logarithms.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const margin = studentQuantile(count - 1) * Math.sqrt(variance / count);
  return { ratio: Math.exp(mean), low: Math.exp(mean - margin), high: Math.exp(mean + margin) };
}

/** The 97.5 % quantile of Student's distribution; from 30 degrees of freedom on, that of 30, which is a little wide. */
function studentQuantile(degrees: number): number {
  const quantiles = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16,
    2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052,
    2.048, 2.045, 2.042,
  ];
  return quantiles[Math.min(degrees, quantiles.length) - 1] ?? Number.POSITIVE_INFINITY;
}
