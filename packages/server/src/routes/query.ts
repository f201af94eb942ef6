import { WireError } from "../model/wire-error.ts";
import { pythonStrip } from "./python-strip.ts";

/** How many items a page of a list has. */
export interface PageSizes {
  /** If the caller does not say. */
  readonly default: number;
  /** Whatever the caller says. */
  readonly max: number;
}

export const barbicanPageSizes: PageSizes = { default: 10, max: 100 };

/** A request's query parameters. What is unknown is ignored; what is asked for and given twice is refused. */
export class Query {
  readonly #parameters: URLSearchParams | undefined;
  readonly pageSizes: PageSizes;

  /** @param text What follows `?` in the request line; empty for none. */
  constructor(text: string, pageSizes: PageSizes) {
    this.pageSizes = pageSizes;
    this.#parameters = text === "" ? undefined : new URLSearchParams(text);
  }

  /** The value of one parameter, decoded. @throws WireError 400 if it is given twice or is no text */
  get(name: string): string | undefined {
    if (!this.#parameters) return undefined;
    const [value, ...others] = this.#parameters.getAll(name);
    if (others.length > 0)
      throw new WireError(400, `Query parameter ${name} is given more than once.`);
    if (value?.includes("\0")) throw new WireError(400, `Query parameter ${name} is not text.`);
    return value;
  }

  /** The value of one parameter that nothing longer than a name can match. @throws WireError 400 */
  short(name: string): string | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : refuseLong(name, value);
  }

  /** The others, encoded, for links that lead on from a list. */
  except(names: readonly string[]): string {
    const rest = new URLSearchParams(this.#parameters);
    for (const name of names) rest.delete(name);
    return rest.toString();
  }
}

/** What says which page of a list is asked for. */
export const pageParameters = ["limit", "offset", "marker"] as const;

/** In characters, as names are counted. */
const maxFilterLength = 255;

/** Returns the value of a filter, so that no search compares rows with a text without end. @throws WireError 400 */
export function refuseLong(name: string, value: string): string {
  if (Array.from(value).length <= maxFilterLength) return value;
  throw new WireError(400, `Query parameter ${name} is longer than ${maxFilterLength} characters.`);
}

export interface Page {
  readonly limit: number;
  readonly offset: number;
  /** The id of the item that the page comes after, in place of `offset`. */
  readonly marker?: string;
}

/** What is beyond counts as 0, as Barbican has it. */
const maxOffset = 2 ** 31 - 1;

/**
 * `limit` (within the page sizes) and `offset` (default 0), of which nonsense means the default; and `marker`.
 *
 * @throws WireError 400 for a marker that is longer than any id
 */
export function parsePage(query: Query): Page {
  const limit = integer(query.get("limit")) ?? query.pageSizes.default;
  const offset = integer(query.get("offset")) ?? 0;
  const marker = query.short("marker");
  return {
    limit: Math.min(Math.max(limit, 1), query.pageSizes.max),
    offset: offset < 0 || offset > maxOffset ? 0 : offset,
    ...(marker !== undefined && marker !== "" && { marker }),
  };
}

function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*[+-]?\d+\s*$/.test(text) ? Number(text) : undefined;
}

/**
 * `total`, `next` and `previous` of a list. Both links are absent on an empty page.
 * A page may show fewer items than its limit: the next one begins where it ends.
 */
export function pageLinks(
  url: string,
  page: Pick<Page, "limit" | "offset">,
  shown: number,
  total: number,
  otherParameters = "",
): { readonly total: number; readonly next?: string; readonly previous?: string } {
  const link = (offset: number) =>
    `${url}?limit=${page.limit}&offset=${offset}${otherParameters && `&${otherParameters}`}`;
  if (shown === 0) return { total };
  return {
    ...(page.offset > 0 && { previous: link(Math.max(0, page.offset - page.limit)) }),
    ...(page.offset + shown < total && { next: link(page.offset + shown) }),
    total,
  };
}

/** A strict boolean: true/1/yes/y/t/on against false/0/no/n/f/off, any case; else undefined. */
export function parseBoolean(text: string): boolean | undefined {
  const lower = pythonStrip(text).toLowerCase();
  if (["true", "1", "yes", "y", "t", "on"].includes(lower)) return true;
  if (["false", "0", "no", "n", "f", "off"].includes(lower)) return false;
  return undefined;
}
