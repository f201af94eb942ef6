import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { Socket } from "node:net";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { KeyManagerError } from "@chatelaine/keys";
import {
  type Ledger,
  openLedger,
  openPostgresLedger,
  type PostgresEndpoint,
  refuseInsecureConnection,
} from "@chatelaine/volumes";
import type { Client, Pool } from "pg";
import type { Terminal } from "../terminal/terminal.ts";
import { isDatabaseUrl } from "./database-url.ts";
import type { Settings } from "./settings.ts";

/** Where the record of volumes is. */
export type LedgerPlace =
  | { readonly type: "file"; readonly path: string }
  | {
      readonly type: "postgres";
      readonly url: string;
      /** This machine's name there. */
      readonly host: string;
      /** Weakens security: see `PostgresLedgerOptions`. */
      readonly insecureTransport: boolean;
    };

type SharedPlace = Extract<LedgerPlace, { readonly type: "postgres" }>;

/**
 * Where the ledger is: as configured, else /var/lib/chatelaine/ledger.sqlite for
 * root, and below the state folder of any other user.
 *
 * @throws `invalid_argument`
 */
export function ledgerPlace(
  terminal: Terminal,
  { ledger, ledgerHost = hostname(), ledgerInsecureTransport = "false" }: Settings,
): LedgerPlace {
  if (ledger === undefined)
    return { type: "file", path: join(stateFolder(terminal), "ledger.sqlite") };
  if (!isDatabaseUrl(ledger)) {
    return { type: "file", path: resolve(terminal.workingDirectory, ledger) };
  }
  if (ledgerHost === "localhost") {
    throw new KeyManagerError(
      "invalid_argument",
      "ledger: the host name is localhost, which is not unique: set --ledger-host or CHATELAINE_LEDGER_HOST",
    );
  }
  if (ledgerInsecureTransport !== "true" && ledgerInsecureTransport !== "false") {
    throw new KeyManagerError(
      "invalid_argument",
      "ledgerInsecureTransport (CHATELAINE_LEDGER_INSECURE_TRANSPORT): it must be true or false",
    );
  }
  const insecureTransport = ledgerInsecureTransport === "true";
  return { type: "postgres", url: ledger, host: ledgerHost, insecureTransport };
}

/** The record of a migration, beside the ledger: another one for each pair of source and target. */
export function migrationJournalPath(terminal: Terminal, source: string, target: string): string {
  const pair = createHash("sha256").update(`${source}\n${target}`).digest("hex").slice(0, 12);
  return join(stateFolder(terminal), `migration-${pair}.sqlite`);
}

function stateFolder({ environment, homeDirectory }: Terminal): string {
  const state = environment["XDG_STATE_HOME"] || join(homeDirectory, ".local/state");
  return join(process.getuid?.() === 0 ? "/var/lib" : state, "chatelaine");
}

/** For people: no password, and no options. */
export function describePlace(place: LedgerPlace): string {
  if (place.type === "file") return place.path;
  const { username, host, pathname } = new URL(place.url);
  return `postgres://${username === "" ? "" : `${username}@`}${host}${pathname} as host ${place.host}`;
}

/** False if there is certainly no ledger; none is made. */
export async function isThere(place: LedgerPlace): Promise<boolean> {
  if (place.type === "file") return existsSync(place.path);
  return withPool(place, async (pool) => {
    try {
      const found = "SELECT to_regclass('chatelaine_ledger.volumes') IS NOT NULL AS found";
      return (await pool.query<{ readonly found: boolean }>(found)).rows[0]?.found !== false;
    } catch {
      // Opening it reports the error.
      return true;
    }
  });
}

/** Opens the ledger, makes it if need be, and closes it when `work` is done. */
export async function withLedgerAt<T>(
  place: LedgerPlace,
  work: (ledger: Ledger) => Promise<T>,
): Promise<T> {
  if (place.type === "file") return closing(openLedger({ path: place.path }), work);
  const { host, insecureTransport } = place;
  return withPool(place, async (pool) =>
    closing(await openPostgresLedger({ pool, host, insecureTransport }), work),
  );
}

async function closing<T>(ledger: Ledger, work: (ledger: Ledger) => Promise<T>): Promise<T> {
  try {
    return await work(ledger);
  } finally {
    await ledger.close();
  }
}

/** True if the place is on another host, and nothing protects the way there. */
export async function isExposed(place: LedgerPlace): Promise<boolean> {
  if (place.type === "file") return false;
  const { default: pg } = await import("pg");
  try {
    refuseInsecureConnection(endpointOf(new pg.Client({ connectionString: place.url })), false);
    return false;
  } catch {
    return true;
  }
}

function endpointOf({ host, ssl }: Client): PostgresEndpoint {
  return { host, ssl };
}

/** The driver is loaded only by those who use it. It knows PGPASSWORD, ~/.pgpass and the other variables of PostgreSQL's. */
async function withPool<T>(
  { url, insecureTransport }: SharedPlace,
  work: (pool: Pool) => Promise<T>,
): Promise<T> {
  const { default: pg } = await import("pg");
  // Before the password is sent. The driver says how it understands the URL and PostgreSQL's variables.
  refuseInsecureConnection(endpointOf(new pg.Client({ connectionString: url })), insecureTransport);
  const sockets: Socket[] = [];
  const socket = () => {
    const made = new Socket();
    sockets.push(made);
    return made;
  };
  const pool = new pg.Pool({
    connectionString: url,
    max: 8,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    stream: socket,
    application_name: "chatelaine",
  });
  pool.on("error", () => undefined);
  try {
    return await work(pool);
  } finally {
    await pool.end();
    // Where it has no password, the driver leaves the connection to the server's patience, which is a minute.
    for (const each of sockets) each.destroy();
  }
}
