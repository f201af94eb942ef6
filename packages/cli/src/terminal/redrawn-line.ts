import type { Terminal } from "./terminal.ts";

/** Of the terminal that progress is drawn on; undefined where it goes elsewhere. */
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
