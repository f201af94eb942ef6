import { type Ledger, openLedger } from "../src/index.ts";

/** For processes that the conformance suite starts. */
export async function open(path: string): Promise<Ledger> {
  return openLedger({ path });
}
