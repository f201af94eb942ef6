import { createHash } from "node:crypto";

/** A statement as PostgreSQL has it, and the name under which a connection keeps it prepared. */
export interface PostgresSql {
  readonly text: string;
  readonly name: string;
}

const cache = new Map<string, PostgresSql>();

/** Statements are composed of finitely many parts; this bounds what a mistake could fill. */
const maxCached = 2_000;

/** Numbers the `?`, and lets in what stands in comments that begin with `pg`: what PostgreSQL alone has. */
export function toPostgres(sql: string): PostgresSql {
  const cached = cache.get(sql);
  if (cached) return cached;
  let count = 0;
  const text = sql
    .replaceAll(/\/\*pg(.*?)\*\//gs, "$1")
    .replaceAll("?", () => `$${String(++count)}`);
  const name = createHash("sha256").update(text).digest("base64url").slice(0, 32);
  if (cache.size >= maxCached) cache.clear();
  cache.set(sql, { text, name });
  return { text, name };
}
