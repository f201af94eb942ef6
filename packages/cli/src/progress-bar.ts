import type { ImageProgress } from "@chatelaine/luks";
import { showSize } from "./sizes.ts";
import type { Terminal } from "./terminal.ts";

const barWidth = 24;
const redrawMs = 200;

/** Draws a bar with speed and time left on the terminal; draws nothing where there is none. */
export interface ProgressBar {
  readonly update: (progress: ImageProgress) => void;
  /** Leaves the bar as it is and begins a new line. */
  readonly end: () => void;
}

/** @param now in milliseconds */
export function progressBar(
  terminal: Terminal,
  what: string,
  now: () => number = () => performance.now(),
): ProgressBar {
  if (terminal.columns === undefined) return { update: () => {}, end: () => {} };
  const begin = now();
  let drawn = Number.NEGATIVE_INFINITY;
  let first: number | undefined;
  return {
    update: ({ doneBytes, totalBytes }) => {
      first ??= doneBytes;
      const time = now();
      if (time - drawn < redrawMs && doneBytes < totalBytes) return;
      drawn = time;
      const bytesPerSecond = ((doneBytes - first) / Math.max(1, time - begin)) * 1000;
      terminal.error(`\r${progressLine(what, doneBytes, totalBytes, bytesPerSecond)}`);
    },
    end: () => terminal.error("\n"),
  };
}

/** `encrypt [######      ]  50 %  512 MiB of 1 GiB  300 MiB/s  2 s left` */
export function progressLine(
  what: string,
  doneBytes: number,
  totalBytes: number,
  bytesPerSecond: number,
): string {
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const bar = "#".repeat(Math.round(share * barWidth)).padEnd(barWidth);
  const left =
    bytesPerSecond > 0
      ? `  ${showSize(Math.round(bytesPerSecond))}/s  ${Math.ceil((totalBytes - doneBytes) / bytesPerSecond)} s left`
      : "";
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `${what} [${bar}] ${percent} %  ${showSize(doneBytes)} of ${showSize(totalBytes)}${left}  `;
}
