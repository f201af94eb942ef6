/** One element of an Accept header. */
interface MediaRange {
  /** In lower case: `text/plain`, `text/*`, or the wildcard for every type. */
  readonly name: string;
  readonly charset: string | undefined;
  /** From 0, not acceptable, to 1. */
  readonly weight: number;
}

/**
 * What a client takes, as its Accept header says: RFC 9110, section 12.5.1.
 *
 * The most specific range that fits a type decides; of two that are equally specific, the one with the greater weight.
 * `*` alone means every type, as in Java's default header. An element that cannot be read fits no type, and a weight that
 * cannot be read is 0.
 */
export class Accept {
  readonly #ranges: readonly MediaRange[];

  private constructor(ranges: readonly MediaRange[]) {
    this.#ranges = ranges;
  }

  /** Reads all of the header, in time linear in its length. Never throws. */
  static parse(header: string | undefined): Accept {
    const elements = split(header ?? "", ",").filter((element) => element.trim() !== "");
    return new Accept(elements.map(parseRange));
  }

  /** True if there is no header, or an empty one: the client takes anything. */
  get isAbsent(): boolean {
    return this.#ranges.length === 0;
  }

  /**
   * How much the client wants a type: from 0, not acceptable, to 1.
   *
   * @param type In lower case, such as `text/plain`. Text is sent in UTF-8: a range that asks for another charset does
   *   not fit it. Other parameters of a range are not compared.
   */
  quality(type: string): number {
    if (this.isAbsent) return 1;
    let best = { specificity: 0, weight: 0 };
    for (const range of this.#ranges) {
      const specificity = specificityOf(range, type);
      const decides =
        specificity > best.specificity ||
        (specificity === best.specificity && range.weight > best.weight);
      if (specificity > 0 && decides) best = { specificity, weight: range.weight };
    }
    return best.weight;
  }

  /** True if the header names the type itself, not only through a wildcard, and does not exclude it. */
  names(type: string): boolean {
    return this.#ranges.some(({ name }) => name === type) && this.quality(type) > 0;
  }
}

/** 0 if the range does not fit the type. */
function specificityOf({ name, charset }: MediaRange, type: string): 0 | 1 | 2 | 3 | 4 {
  if (name === "*/*" || name === "*") return 1;
  if (name === `${type.slice(0, type.indexOf("/"))}/*`) return 2;
  if (name !== type) return 0;
  if (charset === undefined || !type.startsWith("text/")) return 3;
  return charset === "utf-8" ? 4 : 0;
}

function parseRange(element: string): MediaRange {
  const [name = "", ...parameters] = split(element, ";");
  let charset: string | undefined;
  for (const parameter of parameters) {
    const equals = parameter.indexOf("=");
    if (equals < 0) continue;
    const key = parameter.slice(0, equals).trim().toLowerCase();
    const value = unquoted(parameter.slice(equals + 1).trim());
    // What follows the weight belongs to the header, not to the type.
    if (key === "q") return { name: name.trim().toLowerCase(), charset, weight: weightOf(value) };
    if (key === "charset") charset = value.toLowerCase();
  }
  return { name: name.trim().toLowerCase(), charset, weight: 1 };
}

/** Java writes `.2`, which RFC 9110 does not allow and everybody understands. */
function weightOf(text: string): number {
  return /^(?:\d+(?:\.\d*)?|\.\d+)$/.test(text) ? Math.min(1, Number(text)) : 0;
}

function unquoted(text: string): string {
  const isQuoted = text.length > 1 && text.startsWith('"') && text.endsWith('"');
  return isQuoted ? text.slice(1, -1).replaceAll(/\\(.)/g, "$1") : text;
}

/** The parts between separators that are not inside a quoted string. */
function split(text: string, separator: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted && character === "\\") at++;
    else if (!isQuoted && character === separator) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
