import type { Mac } from "../crypto/mac.ts";
import type { SystemKeyRow } from "../store/operations/keys.ts";
import type { ChainFormat } from "./chain/audit-keys.ts";
import type { Segment } from "./chain/audit-segment.ts";

/*
 * An archive of the audit record: JSON lines, one segment or several after each other. Of each segment: a header, its
 * entries in order, and a trailer whose MAC covers the header, the number of entries and the last entry's MAC, which in
 * turn covers all entries before it.
 */

/** A key of the audit record, wrapped by a root key, as `system_keys` has it. */
export interface WrappedKey {
  readonly id: string;
  readonly name: string;
  readonly rootKeyId: number;
  /** base64 */
  readonly wrapped: string;
}

/** The first line of a segment in a file. */
export interface FileHeader {
  readonly chatelaine: "audit-segment";
  readonly version: 1;
  readonly chain: string;
  readonly segment: number;
  readonly format: ChainFormat;
  readonly first: number;
  readonly entries: number;
  /** MAC of the entry before the first one, hex; empty at a chain's start. */
  readonly previous: string;
  readonly from: string;
  readonly to: string;
  /** Id of the key that seals the file. */
  readonly sealedBy: string;
  /** Id of the key of the entries; the same one in format 2. */
  readonly entriesBy: string;
  readonly keys: readonly WrappedKey[];
}

/** The last line of a segment in a file. */
export interface FileTrailer {
  readonly end: string;
  readonly segment: number;
  readonly entries: number;
  /** MAC of the last entry, hex. */
  readonly head: string;
  readonly mac: string;
}

/** An entry's line in a file, as it was written: `line` is byte for byte what its MAC covers. */
export interface FileEntry {
  readonly sequence: number;
  readonly line: string;
  readonly mac: string;
}

export interface HeaderKeys {
  readonly sealedBy: string;
  readonly entriesBy: string;
  readonly keys: readonly WrappedKey[];
}

export function headerLine(segment: Segment, keys: HeaderKeys): string {
  const header: FileHeader = {
    chatelaine: "audit-segment",
    version: 1,
    chain: segment.chain,
    segment: segment.number,
    format: segment.format,
    first: segment.first_sequence,
    entries: segment.last_sequence - segment.first_sequence + 1,
    previous: Buffer.from(segment.previous ?? []).toString("hex"),
    from: segment.first_at,
    to: segment.last_at,
    ...keys,
  };
  return JSON.stringify(header);
}

/** @param line of an authentic entry, which is one line of JSON */
export function entryLine(sequence: number, line: string, mac: Uint8Array): string {
  return `{"sequence":${sequence},"entry":${line},"mac":"${Buffer.from(mac).toString("hex")}"}`;
}

/** @param header the text of the segment's first line */
export function trailerLine(
  key: Mac,
  header: string,
  { chain, segment, entries }: Pick<FileHeader, "chain" | "segment" | "entries">,
  head: string,
): string {
  const mac = trailerMac(key, header, entries, head);
  const trailer: FileTrailer = { end: chain, segment, entries, head, mac };
  return JSON.stringify(trailer);
}

/** The MAC (hex) that a trailer must have. */
export function trailerMac(key: Mac, header: string, entries: number, head: string): string {
  return key
    .of(JSON.stringify(["chatelaine audit segment file", header, entries, head]))
    .toString("hex");
}

export function wrappedKey(id: string, row: SystemKeyRow): WrappedKey {
  const wrapped = Buffer.from(row.wrapped).toString("base64");
  return { id, name: row.name, rootKeyId: row.root_key_id, wrapped };
}

/** @returns undefined if the line is not a header of a version that is known here */
export function parseHeader(line: string): FileHeader | undefined {
  const found = parseObject(line);
  if (found?.["chatelaine"] !== "audit-segment" || found["version"] !== 1) return undefined;
  const { chain, segment, format, first, entries, previous, from, to } = found;
  const { sealedBy, entriesBy, keys } = found;
  const good =
    [chain, from, to, sealedBy, entriesBy].every((value) => typeof value === "string") &&
    [segment, first, entries].every(isCount) &&
    (format === 1 || format === 2) &&
    typeof previous === "string" &&
    /^([0-9a-f]{64})?$/.test(previous) &&
    Array.isArray(keys) &&
    keys.length <= 2 &&
    keys.every(isWrappedKey);
  return good ? (found as unknown as FileHeader) : undefined;
}

const entryPattern = /^\{"sequence":(\d{1,15}),"entry":(\[.*\]),"mac":"([0-9a-f]{64})"\}$/s;

/** @returns undefined if the line is not an entry */
export function parseEntry(line: string): FileEntry | undefined {
  const match = entryPattern.exec(line);
  if (!match) return undefined;
  return { sequence: Number(match[1]), line: match[2] ?? "", mac: match[3] ?? "" };
}

/** @returns undefined if the line is not a trailer */
export function parseTrailer(line: string): FileTrailer | undefined {
  const found = parseObject(line);
  const { end, segment, entries, head, mac } = found ?? {};
  const good =
    typeof end === "string" &&
    isCount(segment) &&
    isCount(entries) &&
    [head, mac].every((value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value));
  return good ? (found as unknown as FileTrailer) : undefined;
}

function isWrappedKey(value: unknown): value is WrappedKey {
  const { id, name, rootKeyId, wrapped } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof id === "string" &&
    typeof name === "string" &&
    isCount(rootKeyId) &&
    typeof wrapped === "string" &&
    wrapped.length <= 1_000
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(line);
    if (typeof found !== "object" || found === null || Array.isArray(found)) return undefined;
    return found as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
