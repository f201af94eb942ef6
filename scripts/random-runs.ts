import { randomInt } from "node:crypto";
import type { TestContext } from "node:test";
import fc from "fast-check";

/** Of all random runs of this process: `CHATELAINE_SEED` repeats one. */
const seed = seedOf(process.env["CHATELAINE_SEED"]);

/**
 * Asserts that a property holds for random values, and says the seed of the run beside the result of the test, also if it
 * holds. Seeds give the same values only while the property draws the same: what once failed therefore becomes one of the
 * `examples`, which each run begins with.
 */
export function holds<Values>(
  t: TestContext,
  property: fc.IAsyncProperty<Values>,
  parameters?: fc.Parameters<Values>,
): Promise<void>;
export function holds<Values>(
  t: TestContext,
  property: fc.IProperty<Values>,
  parameters?: fc.Parameters<Values>,
): void;
export function holds<Values>(
  t: TestContext,
  property: fc.IProperty<Values> | fc.IAsyncProperty<Values>,
  parameters: fc.Parameters<Values> = {},
): Promise<void> | void {
  t.diagnostic(`seed ${seed}`);
  return fc.assert(property as fc.IAsyncProperty<Values>, { seed, ...parameters });
}

/** @throws Error if the text is no whole number of 32 bits */
function seedOf(text: string | undefined): number {
  if (text === undefined || text === "") return randomInt(2 ** 31);
  const number = Number(text);
  if (!/^-?\d{1,10}$/.test(text) || number !== (number | 0))
    throw new Error("CHATELAINE_SEED: it must be a whole number of 32 bits");
  return number;
}
