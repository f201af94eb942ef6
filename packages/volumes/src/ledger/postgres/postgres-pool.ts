/** What of a pool of node-postgres (`pg`) a ledger needs; this package depends on no driver. */
export interface PostgresPool {
  /** Lends a connection, a new one if need be. Rejects if there is none. */
  connect(): Promise<PostgresConnection>;
  /** Told of connections that break while nobody uses them. */
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** A connection that is lent until it is released. */
export interface PostgresConnection {
  /** How it is connected, see `PostgresEndpoint`. A client of `pg` has both; what has not is taken to be protected. */
  readonly host?: string;
  readonly ssl?: unknown;
  /** Runs one statement with values for `$1 …`, or several without. Rejects with an error whose `code` is the SQLSTATE. */
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
  /** Gives it back, or closes it if `destroy` is true. */
  release(destroy?: boolean): void;
  /** Told when it breaks between two statements. */
  on(event: "error", listener: (error: Error) => void): unknown;
  /** Ends what `on` began. */
  off(event: "error", listener: (error: Error) => void): unknown;
}

/** What a statement was answered. */
export interface PostgresResult {
  /** By the names of their columns. `bigint` may be text. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** How many rows it wrote or found. */
  readonly rowCount: number | null;
}
