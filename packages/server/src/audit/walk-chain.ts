import { readAuditChain } from "../store/operations/audit.ts";
import type { Store } from "../store/store.ts";
import { AuditProblem } from "./audit-problem.ts";
import { type ChainPlace, chainStart } from "./chain/audit-chain.ts";
import {
  type AuditKeys,
  type ChainCheck,
  type ChainFormat,
  chainCheck,
} from "./chain/audit-keys.ts";
import { isBytes } from "./chain/audit-segment.ts";
import { LegacyChain } from "./chain/legacy-chain.ts";

/** Entries at a time, so that requests are answered in between and memory is bounded. */
const batchSize = 500;

export interface WalkOptions {
  readonly store: Store;
  readonly keys: AuditKeys;
  readonly chain: string;
  readonly format: ChainFormat;
  /** Where to begin: the entry before the first one. */
  readonly from: ChainPlace;
  /** The last entry to look at. Default: the chain's last. */
  readonly through?: number;
  /** Told the authentic entries, some at a time, before the walk ends or throws. */
  readonly onEntries?: (entries: readonly WalkedEntry[]) => void | Promise<void>;
}

export interface WalkedEntry {
  readonly sequence: number;
  readonly line: string;
  readonly mac: Uint8Array;
}

/**
 * Recomputes a part of a chain. Resolves to its end.
 *
 * @throws AuditProblem at the first entry that is missing or not authentic
 */
export async function walkChain(options: WalkOptions): Promise<ChainPlace> {
  const { store, keys, chain, format, from, through = Number.MAX_SAFE_INTEGER } = options;
  const check = chainCheck(keys, format, chain, from);
  if (!check) throw new AuditProblem(from.sequence + 1, "the key of the old format is missing");
  for (;;) {
    const { sequence: after } = check.place;
    const limit = Math.min(batchSize, through - after);
    const rows = limit > 0 ? await store.read(readAuditChain, { chain, after, limit }) : [];
    const problem = firstProblem(keys, check, rows);
    const good = problem ? rows.slice(0, check.place.sequence - after) : rows;
    if (good.length > 0) await options.onEntries?.(good);
    if (problem) throw problem;
    if (rows.length === limit && limit > 0) continue;
    if (options.through !== undefined && check.place.sequence < through)
      throw new AuditProblem(check.place.sequence + 1, "an entry is missing");
    return check.place;
  }
}

/** Moves `check` over the authentic rows; returns what is wrong with the next one. */
function firstProblem(
  keys: AuditKeys,
  check: ChainCheck,
  rows: readonly WalkedEntry[],
): AuditProblem | undefined {
  for (const row of rows) {
    const before = check.place;
    const next = before.sequence + 1;
    if (row.sequence !== next) return new AuditProblem(next, "an entry is missing");
    if (typeof row.line !== "string" || !isBytes(row.mac))
      return new AuditProblem(next, "an entry is not authentic");
    if (Buffer.from(check.add(row.line)).equals(row.mac)) continue;
    check.rewind(before);
    return new AuditProblem(next, reasonOf(keys, before, row));
  }
  return undefined;
}

/** Names the one case that looks authentic to an older version. */
function reasonOf({ legacy }: AuditKeys, before: ChainPlace, { line, mac }: WalkedEntry): string {
  if (legacy) {
    const old = new LegacyChain(legacy, before.sequence === 0 ? chainStart : before);
    if (Buffer.from(old.add(line)).equals(mac))
      return "an entry in the old format after the upgrade";
  }
  return "an entry is not authentic";
}
