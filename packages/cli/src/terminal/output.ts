import { stripVTControlCharacters } from "node:util";
import { styled } from "./styled.ts";
import type { Terminal } from "./terminal.ts";

/** A column of a table: its heading, and what of a row is in it. */
export interface Column<T> {
  readonly heading: string;
  readonly cell: (row: T) => string | number | undefined;
}

const gap = "  ";
const shortest = 8;
/** An id or a time. */
const indivisible = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$|^\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?$/;

/**
 * Rows under headings. If the terminal is too narrow, the widest columns are cut
 * with an ellipsis, but never ids and times, which are useless when cut; if it is narrower
 * than that, each row becomes a record of its own.
 */
export function table<T>(
  terminal: Terminal,
  columns: readonly Column<T>[],
  rows: readonly T[],
): string {
  const headings = columns.map(({ heading }) => heading);
  const cells = rows.map((row) => columns.map(({ cell }) => shown(cell(row))));
  const lines = [headings, ...cells];
  const full = columns.map((_, index) =>
    Math.max(...lines.map((line) => line[index]?.length ?? 0)),
  );
  const least = full.map((width, index) =>
    cells.some((line) => indivisible.test(line[index] ?? "")) ? width : Math.min(width, shortest),
  );
  const room = terminal.columns ?? Number.POSITIVE_INFINITY;
  if (total(least) > room) return cells.map((line) => block(headings, line, room)).join("\n");
  const widths = narrowed(full, least, room);
  const [head = "", ...body] = lines.map((line) =>
    line
      .map((text, index) => fitted(text, widths[index] ?? 0))
      .join(gap)
      .trimEnd(),
  );
  return [styled(terminal, "bold", head), ...body].map((line) => `${line}\n`).join("");
}

/** Takes from the widest that can still give, until all fit. */
function narrowed(full: readonly number[], least: readonly number[], room: number): number[] {
  const widths = [...full];
  while (total(widths) > room) {
    const spare = widths.map((width, index) => (width > (least[index] ?? 0) ? width : 0));
    const widest = spare.indexOf(Math.max(...spare));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function block(headings: readonly string[], cells: readonly string[], room: number): string {
  const named = headings.map((heading, index) => [heading, cells[index]] as const);
  return record(Object.fromEntries(named), room);
}

/** Prose in lines that fit the terminal, which all begin with `indent`. A word that is too long stays whole. */
export function wrapped({ columns }: Terminal, indent: string, text: string): string {
  const room = (columns ?? 80) - indent.length;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((each) => `${indent}${each}\n`).join("");
}

/**
 * One thing, a line for each of its attributes; what is undefined is left out.
 *
 * @param room a value for which a line of that length is too short is below its name
 */
export function record(
  attributes: Readonly<Record<string, string | number | undefined>>,
  room = Number.POSITIVE_INFINITY,
): string {
  const entries = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, shown(value)] as const);
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries
    .map(([name, value]) =>
      width + gap.length + value.length > room
        ? `${name}\n${gap}${value}\n`
        : `${name.padEnd(width)}${gap}${value}\n`,
    )
    .join("");
}

/** Whatever a server's command gave: a table of things, one thing, or what has parts as JSON. */
export function plain(terminal: Terminal, value: unknown): string {
  const things = Array.isArray(value) ? value : [value];
  if (things.length === 0) return "";
  if (!things.every(isFlat)) return json(value);
  if (!Array.isArray(value)) return record(things[0] as Flat, terminal.columns);
  const names = [...new Set(things.flatMap((thing) => Object.keys(thing as Flat)))];
  const columns = names.map((heading) => ({ heading, cell: (thing: Flat) => thing[heading] }));
  return table(terminal, columns, things as Flat[]);
}

type Flat = Readonly<Record<string, string | number | undefined>>;

function isFlat(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).every((each) => typeof each !== "object" || each === null);
}

/** For programs, indented by two. */
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

function shown(value: string | number | undefined): string {
  return withoutControls(String(value ?? "-"));
}

/** For others' text, such as names: no escape sequence or line break of theirs reaches the terminal. */
export function withoutControls(text: string): string {
  return stripVTControlCharacters(text).replace(/\p{Cc}/gu, "�");
}
