import type { RequestTarget } from "../model/request-target.ts";

/** Counts what matching costs: comparisons of characters, and of elements with segments. */
export interface Work {
  steps: number;
}

/**
 * The path of an access rule. `*` stands for any characters of one segment, `{name}` for at least one of them, `**` for
 * any segments.
 *
 * Matching takes at most {@link maxSegments} × (length of path + length of pattern) steps: no segment is compared with
 * an element more than once, and each comparison is linear.
 */
export class PathPattern {
  readonly #elements: readonly Element[];

  /** Never throws: what cannot be a pattern covers nothing. */
  constructor(text: string) {
    this.#elements = elementsOf(text) ?? [];
  }

  /** True if the pattern covers the whole path. */
  covers({ path }: Pick<RequestTarget, "path">, work: Work = { steps: 0 }): boolean {
    if (this.#elements.length === 0) return false;
    return match(this.#elements, path.split("/").slice(1), work);
  }

  /** Why the pattern is invalid; undefined if it is valid. */
  static mistakeIn(text: string): string | undefined {
    if (!text.startsWith("/") && !text.startsWith("**")) return "must begin with /";
    if (text.split("/").some((part) => /[^*]\*{2,}[^*]/.test(part)))
      return "must have ** at the start or the end of a segment, not in the middle";
    return undefined;
  }
}

/** One segment with these pieces of text, and at least so many characters between two of them; or any segments. */
type Element =
  | {
      readonly type: "segment";
      readonly pieces: readonly Piece[];
      readonly gaps: readonly number[];
    }
  | { readonly type: "rest" };

interface Piece {
  readonly text: string;
  /** Where a search goes on after a mismatch: Knuth, Morris and Pratt's failure function. */
  readonly failure: readonly number[];
}

const rest: Element = { type: "rest" };
const one = segment("*");

function elementsOf(text: string): readonly Element[] | undefined {
  if (!/^(?:\/|\*\*)/.test(text)) return undefined;
  const elements: Element[] = [];
  for (const [index, part] of text.split("/").entries()) {
    if (part === "") continue;
    const onlyStars = /^\*{2,}$/.test(part);
    if (part.startsWith("**") && !onlyStars) elements.push(rest);
    // Between slashes ** is at least one segment; before the first slash it may be none.
    if (!onlyStars || index > 0) elements.push(onlyStars ? one : segment(part));
    if (part.endsWith("**")) elements.push(rest);
  }
  return elements.filter((element, index) => element !== rest || elements[index - 1] !== rest);
}

function segment(text: string): Element {
  const pieces: Piece[] = [];
  const gaps: number[] = [];
  let literal = "";
  let open = false;
  for (const token of text.match(/\*|\{[^{}]+\}|[^*{]+|\{/g) ?? []) {
    const least = token === "*" ? 0 : /^\{.+\}$/s.test(token) ? 1 : undefined;
    if (least === undefined) {
      literal += token;
      open = false;
    } else if (open) gaps.push((gaps.pop() ?? 0) + least);
    else {
      pieces.push(piece(literal));
      gaps.push(least);
      literal = "";
      open = true;
    }
  }
  return { type: "segment", pieces: [...pieces, piece(literal)], gaps };
}

function piece(text: string): Piece {
  const failure = [0];
  for (let at = 1, length = 0; at < text.length; at++) {
    while (length > 0 && text[at] !== text[length]) length = failure[length - 1] ?? 0;
    if (text[at] === text[length]) length++;
    failure.push(length);
  }
  return { text, failure };
}

/** The last `rest` takes as few segments as it can, and more where what follows does not fit. */
function match(elements: readonly Element[], segments: readonly string[], work: Work): boolean {
  // Each of the others takes exactly one.
  if (elements.length - elements.filter((e) => e === rest).length > segments.length) return false;
  let element = 0;
  let at = 0;
  let retry: { element: number; at: number } | undefined;
  while (at < segments.length) {
    const wanted = elements[element];
    work.steps++;
    if (wanted?.type === "rest") {
      retry = { element: element + 1, at };
      element++;
    } else if (wanted && fits(wanted, segments[at] ?? "", work)) {
      element++;
      at++;
    } else if (retry) {
      retry.at++;
      ({ element, at } = retry);
    } else return false;
  }
  return elements.slice(element).every((left) => left.type === "rest");
}

function fits(
  { pieces, gaps }: Extract<Element, { type: "segment" }>,
  text: string,
  work: Work,
): boolean {
  const [first, last] = [pieces[0]?.text ?? "", pieces.at(-1)?.text ?? ""];
  work.steps += first.length;
  if (pieces.length === 1) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const [index, wanted] of pieces.slice(1, -1).entries()) {
    const found = find(wanted, text, at + (gaps[index] ?? 0), work);
    if (found < 0) return false;
    at = found + wanted.text.length;
  }
  work.steps += last.length;
  return at + (gaps.at(-1) ?? 0) <= text.length - last.length && text.endsWith(last);
}

/** The first place of a piece from `from` on; -1 if there is none. */
function find({ text: wanted, failure }: Piece, text: string, from: number, work: Work): number {
  let length = 0;
  for (let at = from; at < text.length; at++) {
    work.steps++;
    while (length > 0 && text[at] !== wanted[length]) {
      work.steps++;
      length = failure[length - 1] ?? 0;
    }
    if (text[at] === wanted[length]) length++;
    if (length === wanted.length) return at - length + 1;
  }
  return -1;
}
