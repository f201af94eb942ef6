/** A database that grows beyond what its disk holds. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { all, operation } from "../src/store/operation.ts";
import { SqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import { temporaryFolder } from "./support/harness.ts";

const script = fileURLToPath(new URL("./support/fill-and-close.ts", import.meta.url));
const now = "2026-01-01T00:00:00.000000";

export const lengths = operation(import.meta.url, "lengths", () =>
  all<{ n: number }>("SELECT LENGTH(line) AS n FROM audit ORDER BY sequence"),
);

describe("a store whose file can grow no more", { timeout: 60_000 }, () => {
  it("is closed in order, and has what was committed when it is opened again", async (t) => {
    const path = join(temporaryFolder(t), "keys.db");
    const store = await SqliteStore.open({ path, now });
    await store.startAudit(Buffer.alloc(32, 7));
    await store.record("x".repeat(1_000_000));
    await store.close();
    // In blocks of 512 bytes: the log of what is written fits, but not the whole into the file.
    const limit = Math.ceil(statSync(path).size / 512) + 128;
    const closed = spawnSync(
      "sh",
      ["-c", `ulimit -f ${limit}; exec "$@"`, "sh", process.execPath, script, path],
      { encoding: "utf8" },
    );
    assert.equal(closed.stdout, "closed\n", closed.stderr);
    assert.ok(statSync(`${path}-wal`).size > 0, "not everything is in the file");
    const again = await SqliteStore.open({ path, now });
    t.after(() => again.close());
    const kept = await again.read(lengths, null);
    assert.deepEqual(
      kept.map(({ n }) => n),
      [1_000_000, 600_000],
    );
  });
});
