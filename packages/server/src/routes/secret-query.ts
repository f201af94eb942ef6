import { WireError } from "../model/wire-error.ts";
import type { Condition, SecretQuery, SecretSort } from "../services/secrets.ts";
import { parseBoolean, parsePage, type Query, refuseLong } from "./query.ts";
import { parseTimestamp } from "./timestamp.ts";

const sortColumns = [
  "algorithm",
  "bit_length",
  "created",
  "expiration",
  "mode",
  "name",
  "secret_type",
  "updated",
] as const;
const comparisons = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

/** Parses the filters, the order and the page of GET /v1/secrets. @throws WireError 400 */
export function parseSecretQuery(query: Query): SecretQuery {
  return {
    ...parsePage(query),
    grantedOnly: parseBoolean(query.get("acl_only") ?? "") ?? false,
    conditions: [
      ...like(query, "name", "name"),
      ...like(query, "alg", "algorithm"),
      ...like(query, "mode", "mode"),
      ...bits(query),
      ...secretType(query),
      ...dates(query, "created"),
      ...dates(query, "updated"),
      ...dates(query, "expiration"),
    ],
    sort: parseSort(query.get("sort")),
  };
}

function like(
  query: Query,
  parameter: string,
  column: "name" | "algorithm" | "mode",
): readonly Condition[] {
  const value = parsePattern(query, parameter);
  if (value === undefined) return [];
  return [{ column, comparison: /[%_]/.test(value) ? "LIKE" : "=", value }];
}

/** In characters. Comparing a name with a pattern that has `%` may take their lengths' product. */
const maxPatternLength = 64;
const maxWildcards = 4;

/**
 * Parses a filter in which `%` and `_` are wildcards; the value is percent-decoded a second time, as Barbican does.
 * Undefined if it is absent or empty.
 *
 * @throws WireError 400 for a text that no name has, or a pattern that costs too much to compare with every name
 */
export function parsePattern(query: Query, parameter: string): string | undefined {
  const given = query.get(parameter);
  if (given === undefined || given === "") return undefined;
  const value = refuseLong(parameter, decodeAgain(given)).replaceAll(/%{2,}/g, "%");
  const wildcards = value.split("%").length - 1;
  if (wildcards > maxWildcards || (wildcards > 0 && value.length > maxPatternLength))
    throw new WireError(
      400,
      `Query parameter ${parameter}: a pattern has up to ${maxWildcards} % and ${maxPatternLength} characters.`,
    );
  return value;
}

/** Undoes a client's second percent-encoding; a lone % is left as the wildcard it is. @throws WireError 400 */
export function decodeAgain(text: string): string {
  let decoded = text;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    return text;
  }
  if (decoded.includes("\0")) throw new WireError(400, "A query parameter is not text.");
  return decoded;
}

function secretType(query: Query): readonly Condition[] {
  const value = query.short("secret_type");
  return value ? [{ column: "secret_type", comparison: "=", value }] : [];
}

function bits(query: Query): readonly Condition[] {
  const text = query.get("bits");
  if (text === undefined || !/^\d{1,9}$/.test(text) || Number(text) <= 0) return [];
  return [{ column: "bit_length", comparison: "=", value: Number(text) }];
}

function dates(query: Query, column: "created" | "updated" | "expiration"): readonly Condition[] {
  const text = query.get(column);
  if (text === undefined || text === "") return [];
  const seen = new Set<string>();
  return text.split(",").map((part) => {
    const [, operator, date = ""] = /^(?:(gt|gte|lt|lte):)?(.*)$/s.exec(part) ?? [];
    // A `+` of a zone arrives as a blank unless the client encoded it.
    const value = parseTimestamp(date.trim().replace(/ (\d{2}(?::?\d{2})?)$/, zoneOrTime));
    const comparison = operator ? comparisons[operator as keyof typeof comparisons] : "=";
    // Two lower bounds, or an equality beside anything else, contradict each other.
    const family = comparison.charAt(0);
    const contradicts = seen.has(family) || seen.has("=") || (family === "=" && seen.size > 0);
    if (value === undefined || contradicts)
      throw new WireError(400, `Unable to parse the filter by ${column}.`);
    seen.add(family);
    return { column, comparison, value };
  });
}

/** `2026-11-23 16:55` is a date and a time; `2026-11-23T16:55 02:00` lost its `+`. */
function zoneOrTime(match: string, zone: string, offset: number): string {
  return offset > 10 ? `+${zone}` : match;
}

function parseSort(text: string | undefined): readonly SecretSort[] {
  if (text === undefined || text === "") return [];
  const seen = new Set<string>();
  const sorts: SecretSort[] = [];
  for (const part of text.split(",")) {
    const [key = "", direction = "asc", ...more] = part.split(":");
    const column = sortColumns.find((name) => name === key);
    const known = column !== undefined || key === "status";
    if (!known || seen.has(key) || !["asc", "desc"].includes(direction) || more.length > 0)
      throw new WireError(400, "Unable to parse the sort order.");
    seen.add(key);
    // Every secret that is shown is ACTIVE, so an order by status changes nothing.
    if (column) sorts.push({ column, descending: direction === "desc" });
  }
  return sorts;
}
