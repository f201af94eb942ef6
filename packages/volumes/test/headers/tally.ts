import type { HostileHeader } from "../../../luks/test/hostile/hostile-header.ts";
import type { Setting, Verdict } from "./verdict.ts";

/** Something that must not be: one for each header, call and finding. */
export interface Violation {
  readonly index: number;
  readonly changes: HostileHeader["changes"];
  readonly copies: HostileHeader["copies"];
  /** Such as `verify` or `openVolume`. */
  readonly by: string;
  readonly setting: Setting;
  readonly what: string;
}

export type Outcome = Verdict["outcome"];

export const outcomes: readonly Outcome[] = ["refused", "same mapping", "own disk", "violation"];

/** Where a verdict is from: code of the library alone, or a kernel. */
export type Place = "checked" | "opened";

/** Counts calls by field and outcome. Of two hostile fields the first is the one that counts. */
export class Tally {
  readonly violations: Violation[] = [];
  readonly #counts = new Map<string, Record<Place, Record<Outcome, number>>>();
  readonly #headers = new Map<string, number>();

  add(
    place: Place,
    header: Pick<HostileHeader, "index" | "changes" | "copies">,
    trials: readonly {
      readonly by: string;
      readonly setting: Setting;
      readonly verdict: Verdict;
    }[],
  ): void {
    const { index, changes, copies } = header;
    const field = changes[0]?.field ?? "";
    const counts = this.#counts.get(field) ?? { checked: none(), opened: none() };
    this.#counts.set(field, counts);
    if (place === "checked") this.#headers.set(field, (this.#headers.get(field) ?? 0) + 1);
    for (const { by, setting, verdict } of trials) {
      counts[place][verdict.outcome]++;
      if (verdict.outcome !== "violation") continue;
      this.violations.push({ index, changes, copies, by, setting, what: verdict.what });
    }
  }

  /** By field; the last row has the sums. */
  rows(): readonly TallyRow[] {
    const rows = [...this.#counts].map(([field, counts]) => ({
      field,
      headers: this.#headers.get(field) ?? 0,
      ...counts,
    }));
    const sum = (place: Place) => {
      const add = (outcome: Outcome) => rows.reduce((all, row) => all + row[place][outcome], 0);
      return Object.fromEntries(outcomes.map((one) => [one, add(one)])) as TallyRow[Place];
    };
    const headers = rows.reduce((all, row) => all + row.headers, 0);
    return [...rows, { field: "all", headers, checked: sum("checked"), opened: sum("opened") }];
  }
}

export type TallyRow = {
  readonly field: string;
  readonly headers: number;
} & Readonly<Record<Place, Readonly<Record<Outcome, number>>>>;

function none(): Record<Outcome, number> {
  return { refused: 0, "same mapping": 0, "own disk": 0, violation: 0 };
}
