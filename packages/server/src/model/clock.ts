/**
 * Tells the time as the wire does: UTC, ISO 8601, microseconds, no zone
 * (`2026-11-23T16:55:30.714618`). Such texts order as the instants do.
 */
export interface Clock {
  /** Now. Never the same text twice, and never earlier than the one before, from one clock. */
  timestamp(): string;
  /** Now, in milliseconds since 1970. */
  nowMs(): number;
}

/** The platform's clock; `nowMs` replaces its source, for tests. */
export function systemClock(nowMs: () => number = Date.now): Clock {
  let lastMicros = 0;
  return {
    nowMs,
    timestamp() {
      lastMicros = Math.max(Math.floor(nowMs() * 1000), lastMicros + 1);
      return formatTimestamp(lastMicros);
    },
  };
}

/** Formats microseconds since 1970. */
export function formatTimestamp(micros: number): string {
  const milliseconds = Math.floor(micros / 1000);
  const rest = String(micros - milliseconds * 1000).padStart(3, "0");
  if (milliseconds !== lastFormatted.milliseconds)
    lastFormatted = { milliseconds, text: new Date(milliseconds).toISOString().slice(0, -1) };
  return lastFormatted.text + rest;
}

/** A busy server asks many times in a millisecond. */
let lastFormatted = { milliseconds: -1, text: "1969-12-31T23:59:59.999" };
