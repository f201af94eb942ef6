import { Help, type Option } from "commander";

const narrowIndent = " ".repeat(6);

/** Help that lists the global flags under every verb, and fits terminals of 40 columns, too. */
export class FullHelp extends Help {
  override readonly showGlobalOptions = true;
  override readonly minWidthToWrap = 24;

  /** What a term means is beside it, or below it where there is no room. */
  override formatItem(term: string, termWidth: number, description: string, helper: Help): string {
    const width = this.helpWidth ?? 80;
    if (description === "" || width - termWidth - 4 >= this.minWidthToWrap)
      return super.formatItem(term, termWidth, description, helper);
    return `  ${term}\n${narrowIndent}${this.#hanging(description, width, narrowIndent)}`;
  }

  override optionDescription(option: Option): string {
    const { defaultValue, description } = option;
    const isEmptyList = Array.isArray(defaultValue) && defaultValue.length === 0;
    return isEmptyList ? description : super.optionDescription(option);
  }

  override styleUsage(usage: string): string {
    return this.#hanging(usage, this.helpWidth ?? 80, " ".repeat("Usage: ".length));
  }

  #hanging(text: string, width: number, indent: string): string {
    return this.boxWrap(text, width - indent.length).replaceAll("\n", `\n${indent}`);
  }
}
