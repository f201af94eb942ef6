import { arrayField, asObject, type Document, numberField } from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";

/** Which part of a list. */
export interface PageRequest {
  /** 1–100. Default 100. */
  readonly limit?: number | undefined;
  /** Items to leave out at the start. Default 0. */
  readonly offset?: number | undefined;
}

/** A part of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** How many match in all. */
  readonly total: number;
}

export interface ListCall<T> {
  readonly path: readonly string[];
  /** The key under which the items are. */
  readonly plural: string;
  readonly query?: Readonly<Record<string, string | number | undefined>> | undefined;
  readonly page: PageRequest;
  readonly read: (what: string, item: Document) => T;
}

/** Fetches one page of any list. */
export async function fetchPage<T>(
  connection: BarbicanConnection,
  caller: Caller,
  call: ListCall<T>,
  options: BarbicanCallOptions,
): Promise<Page<T>> {
  const what = `GET ${call.path.join("/")}`;
  const document = await connection.document(caller, {
    method: "GET",
    path: call.path,
    query: { ...call.query, limit: call.page.limit ?? 100, offset: call.page.offset ?? 0 },
    expect: [200],
    signal: options.signal,
  });
  const items = arrayField(what, document, call.plural);
  return {
    items: items.map((item) => call.read(what, asObject(what, `an item of ${call.plural}`, item))),
    total: numberField(what, document, "total"),
  };
}

/** Fetches a short list as a whole. Of a long one that changes meanwhile, it may miss items. */
export async function allPages<T>(
  fetch: (page: PageRequest) => Promise<Page<T>>,
): Promise<readonly T[]> {
  const all: T[] = [];
  for (;;) {
    const { items, total } = await fetch({ offset: all.length });
    all.push(...items);
    if (items.length === 0 || all.length >= total) return all;
  }
}
