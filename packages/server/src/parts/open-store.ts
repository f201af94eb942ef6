import type { ServerConfig } from "../config/config.ts";
import type { Clock } from "../model/clock.ts";
import { SqliteStore } from "../store/sqlite/sqlite-store.ts";
import type { Store } from "../store/store.ts";

/** Opens the database that the configuration names, and brings its schema up to date. @throws a database error */
export async function openStore(config: ServerConfig, clock: Clock): Promise<Store> {
  const database = config.path("database", "keys.db");
  const now = clock.timestamp();
  if (!/^postgres(ql)?:\/\//.test(database)) return SqliteStore.open({ path: database, now });
  // What only some servers need is loaded only there: it would cost the others start-up and memory.
  const { PostgresStore } = await import("../store/postgres/postgres-store.ts");
  return PostgresStore.open({
    url: database,
    now,
    connections: config.integer("postgres.connections"),
    insecureTransport: config.boolean("postgres.insecureTransport"),
  });
}
