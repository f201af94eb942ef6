import type { VerifiedVolume } from "../../src/index.ts";
import { type Meaning, type Reading } from "./meaning.ts";
import { accepted, type Setting, type Verdict, violation } from "./verdict.ts";

/** What the library told of a disk, by `verifyVolume` and by `checkHeader`. */
export interface Told
  extends Pick<
    VerifiedVolume,
    "id" | "cipher" | "volumeKeyBitLength" | "sectorSize" | "dataOffset"
  > {
  /** Of the data. */
  readonly bytes: number;
  readonly ivTweak: number;
}

/**
 * Judges that a header was accepted.
 *
 * @param honest what the disk's header meant before
 * @param readings of the header's copies as they are on the disk now; the library has taken one of them
 */
export function judgeVerified(
  setting: Setting,
  honest: Meaning,
  readings: readonly Reading[],
  told: Told,
): Verdict {
  const sound = readings.flatMap((one) => (one.sound ? [one.meaning] : []));
  if (sound.length === 0) {
    const problems = readings.flatMap((one) => (one.sound ? [] : [one.problem]));
    return violation(`accepts although ${problems[0] ?? "no copy is intact"}`);
  }
  const meaning = sound.find((one) => isTold(one, told));
  if (meaning === undefined) return violation("tells another volume than the header says");
  const [changed] = setting === "row" ? differences(honest, meaning) : [];
  if (changed !== undefined) return violation(`accepts another ${changed} than before`);
  return accepted(setting);
}

/** The names of what is not the same. */
export function differences(one: Meaning, other: Meaning): readonly (keyof Meaning)[] {
  return (Object.keys(one) as (keyof Meaning)[]).filter((name) => one[name] !== other[name]);
}

function isTold(meaning: Meaning, told: Told): boolean {
  return (
    meaning.id === told.id &&
    meaning.cipher === told.cipher &&
    meaning.keyBytes * 8 === told.volumeKeyBitLength &&
    meaning.sectorSize === told.sectorSize &&
    meaning.offset === told.dataOffset &&
    meaning.bytes === told.bytes &&
    meaning.ivTweak === told.ivTweak
  );
}
