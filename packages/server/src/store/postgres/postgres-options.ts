import pg from "pg";
import { ServerError } from "../../model/server-error.ts";
import { refuseInsecureConnection } from "./connection-security.ts";

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=…`. Never shown. */
  readonly url: string;
  /** UTC now, for the migrations table. */
  readonly now: string;
  /** Connections at most. Default 8. */
  readonly connections?: number;
  /**
   * Weakens security: accepts a database on another host without verified TLS, so that
   * the network between can read and change every row. Default false.
   */
  readonly insecureTransport?: boolean;
  /** How long to wait for a connection, new or free, and for a statement, before the database is taken for away. Default 10,000. */
  readonly timeoutMs?: number;
}

/**
 * @throws TypeError without a word of the URL, which has a password in it
 * @throws `insecure` if it leads to another host without verified TLS
 */
export function poolConfig(options: PostgresStoreOptions): pg.PoolConfig {
  const protocol = URL.parse(options.url)?.protocol;
  if (protocol !== "postgres:" && protocol !== "postgresql:")
    throw new TypeError("database: not a postgres:// URL");
  const { connections = 8, timeoutMs = 10_000 } = options;
  for (const [name, value] of Object.entries({ connections, timeoutMs }))
    if (!Number.isInteger(value) || value < 1)
      throw new TypeError(`database: ${name} must be a whole number from 1 on`);
  refuseInsecureConnection(options.url, options.insecureTransport ?? false);
  return {
    connectionString: options.url,
    max: connections,
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    lock_timeout: timeoutMs,
    idle_in_transaction_session_timeout: 2 * timeoutMs,
    // The server answers in time, or the network between is gone.
    query_timeout: timeoutMs + 5_000,
    keepAlive: true,
    idleTimeoutMillis: 60_000,
    application_name: "chatelaine",
    pipeline: true,
    types: { getTypeParser },
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool awaits it, whatever its types say
    onConnect: assertDurable,
  };
}

/** Counters come as numbers, as they do from SQLite: none of ours reaches 2^53. */
const getTypeParser: pg.CustomTypesConfig["getTypeParser"] = (oid, format) => {
  if (oid === pg.types.builtins.INT8 && format !== "binary") return Number;
  return format === "binary"
    ? pg.types.getTypeParser(oid, "binary")
    : pg.types.getTypeParser(oid, "text");
};

/** An acknowledged write must survive a loss of power, so a database configured otherwise is refused. */
async function assertDurable(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ fsync: string | null; commit: string | null }>(
    `SELECT current_setting('fsync', true) AS fsync,
            current_setting('synchronous_commit', true) AS commit`,
  );
  if (rows[0]?.fsync === "off")
    throw new ServerError(
      "unavailable",
      "open database: fsync is off; set it on in postgresql.conf",
    );
  if (rows[0]?.commit === "off") await client.query("SET synchronous_commit = on");
}
