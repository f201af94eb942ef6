import pg from "pg";
import {
  type Ledger,
  openPostgresLedger,
  type PostgresConnection,
  VolumeError,
} from "../../packages/volumes/src/index.ts";
import type { LedgerPlace } from "./open-ledger.ts";

/**
 * What becomes of a commit: its connection breaks, after it took effect or before; or
 * nothing gets through any more, and all patience is over.
 */
export type Loss = { readonly took: boolean } | "away";

/** A ledger whose line to a real PostgreSQL fails as planned, between `begin` and `end`. */
export interface Line {
  readonly ledger: Ledger;
  begin(): void;
  /** @returns how many commits were asked for */
  end(): number;
}

/** @param plan of each commit, counted from 1; once the answer is `away`, no connection is made either */
export async function losingCommits(
  { url, host = "a", ...more }: LedgerPlace,
  plan: (commit: number) => Loss | undefined,
): Promise<Line> {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  let [commits, isPlanned] = [0, false];
  const isAway = () => isPlanned && plan(commits + 1) === "away";

  const connect = async (): Promise<PostgresConnection> => {
    if (isAway()) throw away();
    const client = await pool.connect();
    return {
      query: async (text, values) => {
        if (isAway()) throw away();
        if (text !== "COMMIT" || !isPlanned) return client.query(text, values);
        const loss = plan(++commits);
        if (loss === undefined) return client.query(text, values);
        if (loss !== "away" && loss.took) await client.query(text, values);
        throw Object.assign(new Error("the line broke"), { code: "ECONNRESET" });
      },
      release: (destroy) => client.release(destroy),
      on: (event, listener) => client.on(event, listener),
      off: (event, listener) => client.off(event, listener),
    };
  };
  const line = { connect, on: pool.on.bind(pool) };
  const ledger = await openPostgresLedger({ pool: line, host, ...more });
  const close = ledger.close.bind(ledger);
  return {
    ledger: Object.assign(ledger, {
      close: async () => {
        await close();
        await pool.end();
      },
    }),
    begin: () => {
      isPlanned = true;
    },
    end: () => {
      isPlanned = false;
      return commits;
    },
  };
}

/** What a ledger says after it has tried long enough. */
function away(): VolumeError {
  return new VolumeError("unavailable", "the database is away");
}
