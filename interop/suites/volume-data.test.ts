import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { runInGuest } from "../guest/guest.ts";

it("6.4 an open volume is encrypted anew while it is written to, and goes on when it is cut", async () => {
  const folder = mkdtempSync(join(tmpdir(), "volume-data-"));
  const program = "../../packages/volumes/test/kill/mapped.ts";
  try {
    const result = await runInGuest(
      [process.execPath, fileURLToPath(new URL(program, import.meta.url)), "all", folder],
      { shares: [folder], disks: [160 << 20], environment: { NODE_NO_WARNINGS: "1" } },
    );
    assert.equal(result.status, 0, result.stdout + result.stderr);
    console.log(result.stdout);
    assert.equal(result.stdout.match(/files were written meanwhile/g)?.length, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
