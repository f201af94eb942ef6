/** How processes of tests open a ledger in PostgreSQL. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import pg from "pg";
import { type Ledger, openPostgresLedger } from "../../packages/volumes/src/index.ts";

/** Where a ledger is. */
export interface LedgerPlace {
  readonly url: string;
  readonly schema?: string;
  readonly host?: string;
  readonly timeoutMs?: number;
  readonly leaseMs?: number;
}

/** Opens a ledger with a pool of its own, which ends when it is closed. */
export async function openAt({ url, host = "a", ...more }: LedgerPlace): Promise<Ledger> {
  // A process that has done its work ends, although it has not closed its ledger.
  const pool = new pg.Pool({ connectionString: url, max: 4, allowExitOnIdle: true });
  try {
    const ledger = await openPostgresLedger({ pool, host, ...more });
    const close = ledger.close.bind(ledger);
    return Object.assign(ledger, {
      close: async () => {
        await close();
        await pool.end();
      },
    });
  } catch (error) {
    await pool.end();
    throw error;
  }
}

/** For the conformance suite: a place as JSON. */
export function open(argument: string): Promise<Ledger> {
  return openAt(JSON.parse(argument) as LedgerPlace);
}

/** For the kill tests of volumes: a ledger for each of their directories, in the database of an environment variable. */
export function openLedgerIn(directory: string): Promise<Ledger> {
  const url = process.env["CHATELAINE_TEST_DATABASE"] ?? "";
  const name = createHash("sha256").update(basename(directory)).digest("hex").slice(0, 16);
  return openAt({ url, schema: `kill_${name}` });
}
