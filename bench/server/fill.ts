import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { OurServer } from "./peers.ts";

/**
 * Gives a stopped server on SQLite a project with `count` secrets, by copies of the one secret that it holds, each with
 * an id and a time of its own. Written beside the server, because a million requests take minutes: the copies lack
 * what no list looks at, an authentic tag and a payload.
 */
export function fillWithSecrets(server: OurServer, count: number): void {
  const database = new DatabaseSync(join(server.directory, "keys.db"));
  const columns = database
    .prepare("SELECT name FROM pragma_table_info('secrets')")
    .all()
    .map((row) => String(row["name"]));
  const made: Readonly<Record<string, string>> = {
    id: "lower(substr(r,1,8)||'-'||substr(r,9,4)||'-4'||substr(r,14,3)||'-8'||substr(r,18,3)||'-'||substr(r,21,12))",
    name: "'bench-' || i",
    created: "'2026-01-01T00:' || printf('%02d:%02d.%06d', i / 60000 % 60, i / 1000 % 60, i)",
  };
  database.exec(`
    BEGIN;
    WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${count - 1}),
      copies AS MATERIALIZED (SELECT i, hex(randomblob(16)) AS r FROM numbers)
    INSERT INTO secrets (${columns.join(", ")})
      SELECT ${columns.map((column) => made[column] ?? `s.${column}`).join(", ")}
      FROM copies CROSS JOIN (SELECT * FROM secrets LIMIT 1) s;
    UPDATE counts SET n = n + ${count - 1}
      WHERE kind = 'secrets' AND slot = (SELECT MIN(slot) FROM counts WHERE kind = 'secrets' AND n > 0);
    COMMIT;
    PRAGMA wal_checkpoint(TRUNCATE);`);
  database.close();
}
