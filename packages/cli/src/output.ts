import { stripVTControlCharacters } from "node:util";
import type { Terminal } from "./terminal.ts";

/** A column of a table: its heading, and what of a row is in it. */
export interface Column<T> {
  readonly heading: string;
  readonly cell: (row: T) => string | number | undefined;
}

const gap = "  ";
const shortest = 8;

/** Rows under headings; if the terminal is too narrow, the widest columns are cut with an ellipsis. */
export function table<T>(
  terminal: Terminal,
  columns: readonly Column<T>[],
  rows: readonly T[],
): string {
  const cells = rows.map((row) => columns.map(({ cell }) => shown(cell(row))));
  const lines = [columns.map(({ heading }) => heading), ...cells];
  const widths = columns.map((_, index) =>
    Math.max(...lines.map((line) => line[index]?.length ?? 0)),
  );
  const room = terminal.columns ?? Number.POSITIVE_INFINITY;
  while (total(widths) > room && Math.max(...widths) > shortest) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return lines
    .map((line) =>
      line
        .map((text, index) => fitted(text, widths[index] ?? 0))
        .join(gap)
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/** One thing, a line for each of its attributes; what is undefined is left out. */
export function record(attributes: Readonly<Record<string, string | number | undefined>>): string {
  const entries = Object.entries(attributes).filter(([, value]) => value !== undefined);
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}${gap}${shown(value)}\n`).join("");
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** A time to the second, in UTC. */
export function time(value: Date | undefined): string | undefined {
  return value?.toISOString().replace(/\.\d+Z$/, "Z");
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1);
}

function fitted(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}

/** Names are others' text: no escape sequence or line break of theirs reaches the terminal. */
function shown(value: string | number | undefined): string {
  const text = stripVTControlCharacters(String(value ?? "-"));
  return text.replace(/\p{Cc}/gu, "�");
}
