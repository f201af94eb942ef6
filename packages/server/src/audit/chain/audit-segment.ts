import type { Mac } from "../../crypto/mac.ts";
import { type ChainPlace, chainStart } from "./audit-chain.ts";
import type { ChainFormat } from "./audit-keys.ts";

/** A row of `audit_segments` without its MAC, as the server writes it. */
export interface SegmentFields {
  readonly chain: string;
  /** From 1 on, without a gap. */
  readonly number: number;
  readonly format: ChainFormat;
  readonly first_sequence: number;
  readonly last_sequence: number;
  /** MAC of the entry before the first one; null before a chain's first entry. */
  readonly previous: Uint8Array | null;
  /** MAC of the last entry. */
  readonly head: Uint8Array;
  /** Of the entries' lines. */
  readonly bytes: number;
  /** Times of the first and the last entry, as the entries say. */
  readonly first_at: string;
  readonly last_at: string;
  readonly sealed: string;
  /** Null until the segment is in a file that is durable. */
  readonly exported: string | null;
  /** SHA-256 (hex) of the segment in that file. */
  readonly digest: string | null;
  /** Null until its entries may be deleted. */
  readonly removed: string | null;
}

declare const authentic: unique symbol;

/** A segment that the server itself sealed. Only {@link authenticSegment} makes one. */
export type Segment = SegmentFields & { readonly [authentic]: true };

/** A row of the database, of which anything may be wrong. */
export type SegmentRow = SegmentFields & { readonly mac: Uint8Array };

/** Adds the MAC. */
export function sealedRow(key: Mac, fields: SegmentFields): SegmentRow {
  return { ...fields, mac: key.of(textOf(fields)) };
}

/** @returns undefined if the row is not as the server wrote it */
export function authenticSegment(key: Mac, row: SegmentRow): Segment | undefined {
  if (!isBytes(row.mac) || !isBytes(row.head)) return undefined;
  if (row.previous !== null && !isBytes(row.previous)) return undefined;
  return key.verifies(textOf(row), row.mac) ? (row as SegmentFields as Segment) : undefined;
}

/** Where the segment before ended. */
export function placeBefore(segment: SegmentFields): ChainPlace {
  return { sequence: segment.first_sequence - 1, mac: segment.previous ?? chainStart.mac };
}

/** Where the segment ends. */
export function placeAfter(segment: SegmentFields): ChainPlace {
  return { sequence: segment.last_sequence, mac: segment.head };
}

/** How people name a segment: `main/3`. */
export function segmentName({ chain, number }: Pick<SegmentFields, "chain" | "number">): string {
  return `${chain}/${number}`;
}

/** Where a chain of format 1 ended when the database was upgraded. */
export interface UpgradeFields {
  readonly chain: string;
  readonly last_sequence: number;
  readonly head: Uint8Array;
}

/** A row of `audit_upgrades`. */
export type UpgradeRow = UpgradeFields & { readonly mac: Uint8Array };

/** A point of upgrade that the server itself recorded. Only {@link authenticUpgrade} makes one. */
export type Upgrade = UpgradeFields & { readonly [authentic]: true };

/** Adds the MAC. */
export function upgradeRow(key: Mac, fields: UpgradeFields): UpgradeRow {
  return { ...fields, mac: key.of(upgradeText(fields)) };
}

/** @returns undefined if the row is not as the server wrote it */
export function authenticUpgrade(key: Mac, row: UpgradeRow): Upgrade | undefined {
  if (!isBytes(row.mac) || !isBytes(row.head)) return undefined;
  return key.verifies(upgradeText(row), row.mac) ? (row as UpgradeFields as Upgrade) : undefined;
}

/** SQLite keeps any type in any column. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

function textOf(row: SegmentFields): string {
  return JSON.stringify([
    "chatelaine audit segment",
    row.chain,
    row.number,
    row.format,
    row.first_sequence,
    row.last_sequence,
    row.previous && hex(row.previous),
    hex(row.head),
    row.bytes,
    row.first_at,
    row.last_at,
    row.sealed,
    row.exported,
    row.digest,
    row.removed,
  ]);
}

function upgradeText(row: UpgradeFields): string {
  return JSON.stringify(["chatelaine audit upgrade", row.chain, row.last_sequence, hex(row.head)]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
