import type { Setting, Verdict } from "./verdict.ts";

/** Which headers the guest is to open; with the seed, it makes them itself. */
export interface GuestSample {
  readonly seed: number;
  readonly indexes: readonly number[];
}

/** What the guest tells of one call; of the honest disks first, which must open. */
export interface GuestTrial {
  readonly type: "trial";
  readonly index: number | "honest";
  readonly by: "openVolumes" | "openVolume";
  readonly setting: Setting;
  readonly verdict: Verdict;
}

/** A line that the guest prints: which call it begins, and what came of it. */
export type GuestLine =
  | GuestTrial
  | (Omit<GuestTrial, "type" | "verdict"> & { readonly type: "begins" });
