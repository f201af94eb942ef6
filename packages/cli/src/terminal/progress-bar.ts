import { showSize } from "./sizes.ts";
import type { Terminal } from "./terminal.ts";

const barWidth = 24;
const redrawMs = 200;

/** What a bar counts. */
export type ProgressUnit = "bytes" | "items";

/** Draws a bar with speed and time left on the terminal; draws nothing where there is none. */
export interface ProgressBar {
  readonly update: (done: number, total: number) => void;
  /** Keeps the bar and begins a new line. */
  readonly end: () => void;
}

/** @param now in milliseconds */
export function progressBar(
  terminal: Terminal,
  what: string,
  unit: ProgressUnit,
  now: () => number = () => performance.now(),
): ProgressBar {
  const columns = progressColumns(terminal);
  if (columns === undefined) return { update: () => {}, end: () => {} };
  const begin = now();
  // Work on bytes may go on from where an interrupted run stopped.
  let first = unit === "bytes" ? undefined : 0;
  let drawn: number | undefined;
  return {
    update: (done, total) => {
      first ??= done;
      const time = now();
      if (drawn !== undefined && time - drawn < redrawMs && done < total) return;
      drawn = time;
      const perSecond = ((done - first) / Math.max(1, time - begin)) * 1000;
      terminal.error(redrawnLine(columns, progressLines({ what, unit, done, total, perSecond })));
    },
    end: () => {
      if (drawn !== undefined) terminal.error("\n");
    },
  };
}

interface Progress {
  readonly what: string;
  readonly unit: ProgressUnit;
  readonly done: number;
  readonly total: number;
  readonly perSecond: number;
}

/** `encrypt [######      ]  50 %  512 MiB of 1 GiB  300 MiB/s  2 s left`, and shorter ones for narrow terminals. */
export function progressLines({ what, unit, done, total, perSecond }: Progress): readonly string[] {
  const show = unit === "bytes" ? showSize : String;
  const share = total === 0 ? 1 : done / total;
  const bar = "#".repeat(Math.round(share * barWidth)).padEnd(barWidth);
  const isMoving = perSecond > 0;
  const speed = isMoving && unit === "bytes" ? `  ${showSize(Math.round(perSecond))}/s` : "";
  const left = isMoving ? `  ${Math.ceil((total - done) / perSecond)} s left` : "";
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const count = `  ${show(done)} of ${show(total)}`;
  return [
    `${what} [${bar}] ${percent}${count}${speed}${left}`,
    `${what} ${percent}${count}${left}`,
    `${what} ${percent}${left}`,
    `${what} ${percent}`,
  ];
}

/** The width of the terminal that progress is drawn on; undefined where it goes elsewhere. */
export function progressColumns(terminal: Terminal): number | undefined {
  return "errorColumns" in terminal ? terminal.errorColumns : terminal.columns;
}

/**
 * A line that is drawn over the one before: the first of the forms that has room, else the last, cut. A line that is
 * wider than the terminal would not be drawn over, but below.
 */
export function redrawnLine(columns: number, forms: readonly string[]): string {
  const room = columns - 1;
  const form = forms.find((each) => each.length <= room) ?? forms.at(-1) ?? "";
  return `\r${form.slice(0, room).padEnd(room)}`;
}
