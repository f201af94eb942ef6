import { hkdfSync } from "node:crypto";
import { Mac } from "../../crypto/mac.ts";
import { AuditChain, type ChainPlace } from "./audit-chain.ts";
import { LegacyChain } from "./legacy-chain.ts";

/** 1: written before migration 0004, without the chain's name; 2: as {@link AuditChain} writes. */
export type ChainFormat = 1 | 2;

/** The keys that the audit record is checked with. */
export interface AuditKeys {
  /** Of entries in format 2, and of everything that is sealed. 32 bytes. */
  readonly current: Uint8Array;
  /** Of entries in format 1. Absent if the database never had any. */
  readonly legacy?: Uint8Array;
}

/** The names of these keys in `system_keys`. */
export const auditKeyNames = { current: "audit-2", legacy: "audit" } as const;

/** What {@link AuditChain} and {@link LegacyChain} have in common. */
export interface ChainCheck {
  readonly place: ChainPlace;
  add(line: string): Uint8Array;
  rewind(place: ChainPlace): void;
}

/** Checks the entries that follow `last`. @returns undefined if the key of that format is missing */
export function chainCheck(
  keys: AuditKeys,
  format: ChainFormat,
  chain: string,
  last: ChainPlace,
): ChainCheck | undefined {
  if (format === 2) return new AuditChain(keys.current, chain, last);
  return keys.legacy && new LegacyChain(keys.legacy, last);
}

/** Authenticates rows and files about the record: the point of upgrade, segments, archives. */
export function sealMac(current: Uint8Array): Mac {
  return derived(current, "chatelaine audit seal 1");
}

/** Tells one key from another and reveals neither: 16 hex digits. */
export function auditKeyId(key: Uint8Array): string {
  return derived(key, "chatelaine audit key id").of("id").toString("hex", 0, 8);
}

function derived(key: Uint8Array, use: string): Mac {
  const bytes = Buffer.from(hkdfSync("sha256", key, "", use, 32));
  const mac = new Mac(bytes);
  bytes.fill(0);
  return mac;
}
