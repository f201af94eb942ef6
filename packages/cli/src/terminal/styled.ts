import { styleText } from "node:util";
import type { Terminal } from "./terminal.ts";

/** Colours a text where results go to a terminal that shows colours, and nowhere else. See https://no-color.org. */
export function styled(
  { columns, environment }: Terminal,
  format: "bold" | "dim" | "green" | "yellow" | "red",
  text: string,
): string {
  if (columns === undefined || environment["NO_COLOR"] || environment["TERM"] === "dumb")
    return text;
  return styleText(format, text, { validateStream: false });
}
