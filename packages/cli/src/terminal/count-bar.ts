import { progressColumns, redrawnLine } from "./redrawn-line.ts";
import type { Terminal } from "./terminal.ts";

const barWidth = 24;
const redrawMs = 200;

/** Draws on the terminal how many of many are done; draws nothing where there is none. */
export interface CountBar {
  readonly update: (done: number, total: number) => void;
  /** Leaves the bar as it is and begins a new line. */
  readonly end: () => void;
}

/** @param now in milliseconds */
export function countBar(
  terminal: Terminal,
  what: string,
  now: () => number = () => performance.now(),
): CountBar {
  const columns = progressColumns(terminal);
  if (columns === undefined) return { update: () => {}, end: () => {} };
  const begin = now();
  let drawn: number | undefined;
  return {
    update: (done, total) => {
      const time = now();
      if (drawn !== undefined && time - drawn < redrawMs && done < total) return;
      drawn = time;
      const left = Math.ceil(((time - begin) / done / 1000) * (total - done));
      const bar = "#".repeat(Math.round((done / total) * barWidth)).padEnd(barWidth);
      const count = `${done} of ${total}`;
      const forms = [`[${bar}]  ${count}  ${left} s left`, `${count}  ${left} s left`, count];
      const named = forms.map((form) => `${what} ${form}`);
      terminal.error(redrawnLine(columns, named));
    },
    end: () => {
      if (drawn !== undefined) terminal.error("\n");
    },
  };
}
