import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { RootKeyRing } from "../../src/crypto/root-key/ring.ts";
import { RootKeyFile } from "../../src/crypto/root-key/slots.ts";
import { SqliteStore } from "../../src/store/sqlite/sqlite-store.ts";

const fixture = new URL("../fixtures/audit-2da0dde/", import.meta.url);

/** What `audit verify` of commit 2da0dde printed of the database that it wrote. */
export const notedBy2da0dde = readFileSync(new URL("noted.json", fixture), "utf8");

/** Lays out a database and a root key file as commit 2da0dde wrote them: one chain of seven entries. */
export async function layOutOldDatabase(folder: string): Promise<RootKeyRing> {
  writeFileSync(join(folder, "keys.db"), gunzipSync(readFileSync(new URL("keys.db.gz", fixture))));
  const key = join(folder, "root-key");
  copyFileSync(new URL("root-key", fixture), key);
  chmodSync(key, 0o600);
  return (await new RootKeyFile(key).open()) as RootKeyRing;
}

/** Opens it without what a server does at its start. */
export function openOldDatabase(folder: string): Promise<SqliteStore> {
  return SqliteStore.open({ path: join(folder, "keys.db"), now: "2026-12-01T00:00:00.000000" });
}
