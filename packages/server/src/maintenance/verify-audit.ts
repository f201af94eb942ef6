import { AuditChain } from "../audit/audit-chain.ts";
import { listAuditChains, readAuditChain } from "../store/operations/audit.ts";
import type { Store } from "../store/store.ts";

/** How far a chain has come. */
export interface ChainHead {
  readonly chain: string;
  readonly entries: number;
  /** The last entry's MAC, hex. */
  readonly head: string;
}

/** What the audit record's chains prove. */
export interface AuditReport {
  readonly entries: number;
  /** Whoever keeps these elsewhere can tell later, by `audit verify --noted`, that no tail is missing. */
  readonly chains: readonly ChainHead[];
  /** The first entry of each chain that is not authentic; empty if all are. */
  readonly broken: readonly { readonly chain: string; readonly sequence: number }[];
  /** Chains that were longer, or others, when their heads were noted. */
  readonly missing: readonly {
    readonly chain: string;
    readonly noted: number;
    readonly found: number;
  }[];
}

const batchSize = 1_000;

/**
 * Recomputes every chain of the audit record.
 *
 * @param noted heads of an earlier report, which must still be there
 */
export async function verifyAudit(
  store: Store,
  key: Uint8Array,
  noted: readonly ChainHead[] = [],
): Promise<AuditReport> {
  const chains = [];
  const missing = new Map(noted.map((head) => [head.chain, { ...head, found: 0 }]));
  const broken = [];
  let entries = 0;
  for (const { chain } of await store.read(listAuditChains, null)) {
    const check = new AuditChain(key, new Uint8Array());
    let sequence = 0;
    let good = true;
    for (;;) {
      const rows = await store.read(readAuditChain, { chain, after: sequence, limit: batchSize });
      for (const row of rows) {
        const mac = Buffer.from(check.add(row.line));
        if (row.sequence !== sequence + 1 || !mac.equals(row.mac)) {
          good = false;
          break;
        }
        sequence++;
        const was = missing.get(chain);
        if (was?.entries === sequence && was.head === mac.toString("hex")) missing.delete(chain);
      }
      if (!good || rows.length < batchSize) break;
    }
    if (!good) broken.push({ chain, sequence: sequence + 1 });
    const was = missing.get(chain);
    if (was) was.found = sequence;
    entries += sequence;
    chains.push({ chain, entries: sequence, head: Buffer.from(check.head).toString("hex") });
  }
  return {
    entries,
    chains,
    broken,
    missing: [...missing.values()].map(({ chain, entries: count, found }) => ({
      chain,
      noted: count,
      found,
    })),
  };
}

/** The heads in the text of an earlier report. @throws SyntaxError if it is none */
export function parseNotedHeads(report: string): readonly ChainHead[] {
  const chains: unknown = (JSON.parse(report) as { readonly chains?: unknown } | null)?.chains;
  if (!Array.isArray(chains)) throw new SyntaxError("there are no chains in it");
  return chains.map((item: unknown) => {
    const { chain, entries, head } = (item ?? {}) as Record<string, unknown>;
    if (typeof chain !== "string" || typeof entries !== "number" || typeof head !== "string")
      throw new SyntaxError("a chain in it has no head");
    return { chain, entries, head };
  });
}
