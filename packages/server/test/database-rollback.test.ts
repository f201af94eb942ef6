import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { loadServerConfig } from "../src/config/config.ts";
import { runServerCommand } from "../src/maintenance/run-command.ts";
import type { AuditReport } from "../src/maintenance/verify-audit.ts";
import { temporaryFolder } from "./support/harness.ts";

describe("somebody who puts back an older copy of the whole database", () => {
  it("makes a revoked role valid again, and audit verify --noted finds it", async (t) => {
    const folder = temporaryFolder(t);
    const config = loadServerConfig({ environment: {}, flags: { "--data-directory": folder } });
    const command = (name: string, ...args: readonly string[]) =>
      runServerCommand(config, name, args);
    const roles = async () => ((await command("role list")) as readonly object[]).length;
    await command("project create", "vault");
    await command("user create", "mallory", "a password");
    await command("role grant", "mallory", "vault", "admin");
    const database = join(folder, "keys.db");
    copyFileSync(database, join(folder, "older.db"));
    await command("role revoke", "mallory", "vault", "admin");
    assert.equal(await roles(), 0);
    const noted = JSON.stringify(await command("audit verify"));
    copyFileSync(join(folder, "older.db"), database);
    // Every tag is valid: nothing in the database says that it is not the last version.
    assert.equal(await roles(), 1);
    const report = (await command("audit verify", noted)) as AuditReport;
    assert.ok(report.missing.length > 0, JSON.stringify(report));
  });
});
