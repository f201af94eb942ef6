import { AuditChain } from "../audit/audit-chain.ts";
import { listAuditChains, readAuditChain } from "../store/operations/audit.ts";
import type { Store } from "../store/store.ts";

/** What the audit record's chains prove. */
export interface AuditReport {
  readonly entries: number;
  /** Each chain's last MAC, hex: whoever keeps it elsewhere can tell later that no tail is missing. */
  readonly chains: readonly {
    readonly chain: string;
    readonly entries: number;
    readonly head: string;
  }[];
  /** The first entry of each chain that is not authentic; empty if all are. */
  readonly broken: readonly { readonly chain: string; readonly sequence: number }[];
}

const batchSize = 1_000;

/** Recomputes every chain of the audit record. */
export async function verifyAudit(store: Store, key: Uint8Array): Promise<AuditReport> {
  const chains = [];
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
        if (row.sequence === sequence + 1 && mac.equals(row.mac)) sequence++;
        else {
          good = false;
          break;
        }
      }
      if (!good || rows.length < batchSize) break;
    }
    if (!good) broken.push({ chain, sequence: sequence + 1 });
    entries += sequence;
    chains.push({ chain, entries: sequence, head: Buffer.from(check.head).toString("hex") });
  }
  return { entries, chains, broken };
}
