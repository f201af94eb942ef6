/** Of a date: year, month, day. Each after the year with or without its hyphen; `YYYYMM` alone is no date. */
const date = String.raw`(\d{4})(?:(?:-(\d\d?)|(\d\d)(?=.))(?:(?:-(\d\d?)|(\d\d))`;
/** Hour, minute, second, fraction. */
const time = String.raw`(\d\d)(?::?(\d\d))?(?::?(\d\d?)(?:[.,](\d+))?)?`;
const offset = String.raw`(Z|[+-]\d\d:?(?:\d\d)?)?`;
const form = new RegExp(`^${date}(?:[ T]${time}${offset})?)?)?$`);

/** A zone is less than a day away from UTC. */
const maxOffsetMinutes = 24 * 60 - 1;

/**
 * Parses a date, or date and time, of ISO 8601 into UTC as the store has it (`2026-11-23T16:55:30.714618`). No zone means
 * UTC; a month or day that is not given is the first.
 *
 * Accepts what the parser of Barbican accepts, Python's `iso8601`, and nothing else: the basic format
 * (`20301231T235959Z`), single digits (`2030-1-5`), a year and month (`2030-12`).
 *
 * @returns undefined if it is not one
 */
export function parseTimestamp(text: string): string | undefined {
  const match = form.exec(text);
  if (!match) return undefined;
  const [, year, dashedMonth, month, dashedDay, day, hour, minute, second, fraction] = match;
  const fromUtc = offsetMinutes(match[10]);
  const seconds = secondsOf({
    year: Number(year),
    month: Number(month ?? dashedMonth ?? 1),
    day: Number(day ?? dashedDay ?? 1),
    hour: Number(hour ?? 0),
    minute: Number(minute ?? 0),
    second: Number(second ?? 0),
  });
  if (seconds === undefined || Math.abs(fromUtc) > maxOffsetMinutes) return undefined;
  const instant = new Date((seconds - fromUtc * 60) * 1000);
  if (instant.getUTCFullYear() < 1 || instant.getUTCFullYear() > 9999) return undefined;
  const micros = (fraction ?? "").slice(0, 6).padEnd(6, "0");
  return `${instant.toISOString().slice(0, 19)}.${micros}`;
}

interface Parts {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** Since 1970; undefined for what no calendar or clock shows. */
function secondsOf({ year, month, day, hour, minute, second }: Parts): number | undefined {
  if (year < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined;
  return midnight.getTime() / 1000 + hour * 3_600 + minute * 60 + second;
}

function offsetMinutes(zone: string | undefined): number {
  if (zone === undefined || zone === "Z") return 0;
  const digits = zone.slice(1).replace(":", "");
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2) || 0);
  return zone.startsWith("-") ? -minutes : minutes;
}
