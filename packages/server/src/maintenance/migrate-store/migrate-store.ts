import type { ServerConfig } from "../../config/config.ts";
import { RootKeyError } from "../../crypto/root-key/root-key-error.ts";
import { findRootKeys, rootKeyFileOf, rootKeyPath } from "../../parts/open-root-keys.ts";

/** What the copy was, for the command to show. */
export interface MigrationReport {
  /** Rows by table. */
  readonly copied: Readonly<Record<string, number>>;
  /** Secrets and containers whose integrity tag was checked. */
  readonly checked: number;
  /** Ids of those that are damaged, in both databases. */
  readonly damaged: readonly string[];
}

/**
 * Copies a SQLite database into the empty PostgreSQL one of the configuration,
 * see `migrateStore`. The configuration must name the SQLite server's root key.
 */
export async function migrateConfiguredStore(
  config: ServerConfig,
  sqliteFile: string,
): Promise<MigrationReport> {
  const rootKeys = await findRootKeys(config);
  if (!rootKeys)
    throw new RootKeyError(
      "absent",
      `root key file ${rootKeyPath(config)}: it is missing; restore the file that belongs to ${sqliteFile}`,
    );
  // With PostgreSQL's client, which a server on SQLite does not need in its memory.
  const { migrateStore } = await import("./copy-store.ts");
  const { tables, objects, damaged } = await migrateStore({
    from: sqliteFile,
    to: config.requiredText("database"),
    insecureTransport: config.boolean("postgres.insecureTransport"),
    rootKeys,
    // As a start on that file would.
    untaggedRows: rootKeyFileOf(config) !== undefined && !rootKeys.rowsTagged ? "tag" : "refuse",
  });
  return { copied: Object.fromEntries(tables), checked: objects, damaged };
}
