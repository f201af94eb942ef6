import { VolumeError } from "../model/errors.ts";
import type { VolumeRecord } from "../model/ledger.ts";

type Matches = (volume: VolumeRecord) => boolean;

/** What a filter can ask of a volume, by its name. */
const questions: Readonly<Record<string, (text: string) => Matches>> = {
  location: (pattern) => {
    const expression = globOf(pattern);
    return ({ location }) => expression.test(location);
  },
  key: (id) => (volume) => volume.keyId === id,
  format: (format) => (volume) => volume.format === format,
  "unchanged-since": (text) => {
    const since = new Date(text);
    if (Number.isNaN(since.getTime())) throw refusal(`${text} is not a date such as 2026-11-01`);
    return ({ updated }) => updated < since;
  },
};

/**
 * A choice of volumes as people type it: words such as `location=/dev/vg0/*`,
 * `key=ID`, `format=luks1`, `unchanged-since=2026-11-01`. A volume must match all.
 *
 * @throws `invalid_argument`
 */
export function volumeFilter(words: readonly string[]): (volume: VolumeRecord) => boolean {
  const all = words.map((word) => {
    const [name = "", ...rest] = word.split("=");
    const question = Object.hasOwn(questions, name) ? questions[name] : undefined;
    const value = rest.join("=");
    if (question === undefined || value === "") {
      const known = Object.keys(questions).join(", ");
      throw refusal(`${JSON.stringify(word)} is not one of ${known}, an equals sign and a value`);
    }
    return question(value);
  });
  return (volume) => all.every((matches) => matches(volume));
}

/** `*` for anything within a folder. */
function globOf(pattern: string): RegExp {
  const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]*")}$`);
}

function refusal(reason: string): VolumeError {
  return new VolumeError("invalid_argument", `filter: ${reason}`);
}
