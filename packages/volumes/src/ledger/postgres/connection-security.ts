import { VolumeError } from "../../model/errors.ts";

/** How a client of PostgreSQL connects. A `Client` of the package `pg` says so, before it connects too. */
export interface PostgresEndpoint {
  /** A name or address; a path is a Unix socket. */
  readonly host: string;
  /** False for plain text; else TLS: true, or options of `node:tls`. */
  readonly ssl: unknown;
}

/**
 * Refuses a connection that leaves this host without verified TLS: the ledger names
 * disks and their keys, and decides what is done to them.
 *
 * @param insecureTransport Weakens security: accepts it all the same.
 * @throws `invalid_argument`
 */
export function refuseInsecureConnection(
  { host, ssl }: PostgresEndpoint,
  insecureTransport: boolean,
): void {
  if (insecureTransport || host.startsWith("/") || isLoopback(host.toLowerCase())) return;
  if (!ssl) refuse("without TLS");
  const { rejectUnauthorized } = (typeof ssl === "object" ? ssl : {}) as {
    readonly rejectUnauthorized?: unknown;
  };
  if (rejectUnauthorized === false) refuse("with TLS that does not verify the certificate");
}

function refuse(how: string): never {
  throw new VolumeError(
    "invalid_argument",
    `open ledger: its database is on another host, and is asked ${how}; add sslmode=verify-full to the URL (and sslrootcert=FILE for a private CA), or set ledgerInsecureTransport: true if you trust its network`,
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
