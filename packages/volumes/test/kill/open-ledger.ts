import { join } from "node:path";
import { type Ledger, openLedger } from "../../src/index.ts";

/**
 * The ledger of one test. `CHATELAINE_TEST_LEDGER` names a module that exports
 * another `openLedgerIn`: so the same tests are run on PostgreSQL.
 */
export async function openLedgerIn(directory: string): Promise<Ledger> {
  const other = process.env["CHATELAINE_TEST_LEDGER"];
  if (other === undefined) return openLedger({ path: join(directory, "state", "ledger.sqlite") });
  const module = (await import(other)) as { readonly openLedgerIn: typeof openLedgerIn };
  return module.openLedgerIn(directory);
}
