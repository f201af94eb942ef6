/** What looking at one part of a set-up has found. */
export interface Diagnosis {
  readonly check: string;
  /** `warning`: it works, and something should be done; `bad`: it does not work. */
  readonly state: "ok" | "warning" | "bad" | "not checked";
  readonly found: string;
  /** What to do, where the finding does not say so itself. */
  readonly fix?: string;
}

/** What a check found, without the check's name. */
export type Outcome = Omit<Diagnosis, "check">;

/** Nothing is to be done. */
export function ok(found: string): Outcome {
  return { state: "ok", found };
}

/** Runs one check; its error is what it found. */
export async function diagnosed(
  check: string,
  look: () => Outcome | Promise<Outcome>,
): Promise<Diagnosis> {
  try {
    return { check, ...(await look()) };
  } catch (error) {
    return { check, state: "bad", found: error instanceof Error ? error.message : String(error) };
  }
}
