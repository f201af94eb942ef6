import { SqliteStore } from "../../src/store/sqlite/sqlite-store.ts";

// Adds to a database, within a limit on the size of files, and closes it. Run by full-disk.test.ts, which is its only parent.

process.on("SIGXFSZ", () => undefined);
const [path = ""] = process.argv.slice(2);
const store = await SqliteStore.open({ path, now: "2026-01-01T00:00:00.000000" });
await store.startAudit(Buffer.alloc(32, 7));
await store.record("x".repeat(600_000));
await store.close();
process.stdout.write("closed\n");
