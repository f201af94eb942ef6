import pg from "pg";
import { ServerError } from "../../model/server-error.ts";

/**
 * What protects the connection to a database. `local`: it does not leave this host.
 * `verified`: TLS, and the database must have a certificate for its name (with
 * `verify-ca`, from its authority). `unverified`: TLS with any peer, which may be in
 * between. `plaintext`: everybody on the way can read and change it.
 */
export type ConnectionSecurity = "local" | "verified" | "unverified" | "plaintext";

/**
 * What protects the connection that a URL leads to, as the driver understands the
 * URL and the variables that it reads (PGHOST, PGSSLMODE). To it, `sslmode=prefer`,
 * `require` and `verify-ca` mean `verify-full`; only `uselibpqcompat=true` gives them
 * the weaker meaning that they have in PostgreSQL's own client.
 *
 * @throws `insecure`, without a word of the URL, if the driver cannot read it
 */
export function connectionSecurity(url: string): ConnectionSecurity {
  const { host, ssl } = endpointOf(url);
  if (host.startsWith("/") || isLoopback(host)) return "local";
  if (!ssl) return "plaintext";
  const verifies =
    typeof ssl !== "object" ||
    (ssl as { rejectUnauthorized?: unknown }).rejectUnauthorized !== false;
  return verifies ? "verified" : "unverified";
}

/** @throws `insecure` if the connection leaves this host without verified TLS */
export function refuseInsecureConnection(url: string, insecureTransport: boolean): void {
  const security = connectionSecurity(url);
  if (security === "local" || security === "verified" || insecureTransport) return;
  const why =
    security === "plaintext" ? "without TLS" : "with TLS that does not verify the certificate";
  throw new ServerError(
    "insecure",
    `open database: its URL leads to another host ${why}; add sslmode=verify-full to the URL (and sslrootcert=FILE for a private CA), or set postgres.insecureTransport: true if you trust its network`,
  );
}

function endpointOf(url: string): { readonly host: string; readonly ssl: unknown } {
  try {
    // Nothing is connected yet.
    const { host, ssl } = new pg.Client({ connectionString: url });
    return { host: host.toLowerCase(), ssl };
  } catch (cause) {
    const { code, path } = cause as NodeJS.ErrnoException;
    const why =
      code !== undefined && path !== undefined ? `${path}: ${code}` : "its URL cannot be used";
    throw new ServerError("insecure", `open database: ${why}`);
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
