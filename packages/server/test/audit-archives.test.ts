import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { loadServerConfig, type ServerConfig } from "../src/config/config.ts";
import { RootKeyError } from "../src/crypto/root-key/root-key-error.ts";
import { RootKeyFile } from "../src/crypto/root-key/slots.ts";
import type { AuditReport } from "../src/maintenance/verify-audit.ts";
import { verifyAuditFiles } from "../src/maintenance/verify-audit-files.ts";
import { type AuditScene, auditScene } from "./support/audit-scene.ts";
import { temporaryFolder } from "./support/harness.ts";

function configOf(folder: string): ServerConfig {
  return loadServerConfig({ environment: {}, flags: { "--data-directory": folder } });
}

/** A record with its own root key file, and an archive of it for each number of entries. */
async function archived(
  t: TestContext,
  ...counts: readonly number[]
): Promise<AuditScene & { readonly files: readonly string[]; readonly config: ServerConfig }> {
  const folder = temporaryFolder(t);
  const rootKeys = await new RootKeyFile(join(folder, "root-key")).create();
  const scene = await auditScene(t, { folder, rootKeys });
  const files: string[] = [];
  for (const count of counts) {
    await scene.store.record(
      Array.from(
        { length: count },
        (_, n) => `["2026-01-0${n + 1}","r","u","p","a",null,"ok"]`,
      ).join("\n"),
    );
    await scene.command("audit seal");
    const file = join(folder, `${files.length + 1}.jsonl`);
    await scene.command("audit export", file);
    files.push(file);
  }
  return { ...scene, files, config: configOf(folder) };
}

function sumsOf({ entries, broken, missing, files, gaps }: AuditReport): readonly number[] {
  return [entries, broken.length, missing.length, files.length, gaps.length];
}

describe("an archive of the audit record", () => {
  it("is verified with the root key file alone, and finds what was noted", async (t) => {
    const { config, files, verify } = await archived(t, 3, 2);
    const noted = JSON.stringify(await verify());
    await assert.doesNotReject(verifyAuditFiles(config, files));
    const report = await verifyAuditFiles(config, files.toReversed());
    assert.deepEqual(sumsOf(report).slice(1), [0, 0, 0, 0]);
    assert.ok(report.entries >= 5);
    // The last entries are in the database only.
    assert.ok((await verifyAuditFiles(config, files, noted)).missing.length > 0);
    const heads = JSON.stringify({ chains: report.chains });
    assert.deepEqual((await verifyAuditFiles(config, files, heads)).missing, []);
  });

  it("is JSON lines that other tools read", async (t) => {
    const { files } = await archived(t, 2);
    const [first = "", second = "", ...others] = readFileSync(files[0] ?? "", "utf8").split("\n");
    const header = JSON.parse(first) as Record<string, unknown>;
    assert.deepEqual(
      [header["chatelaine"], header["version"], header["first"], header["entries"]],
      ["audit-segment", 1, 1, 2],
    );
    assert.deepEqual((JSON.parse(second) as { entry: string[] }).entry.slice(0, 5), [
      "2026-01-01",
      "r",
      "u",
      "p",
      "a",
    ]);
    assert.equal(others.at(-1), "");
    assert.ok("mac" in (JSON.parse(others.at(-2) ?? "") as object));
  });

  it("does not accept any line that was changed, left out, doubled or moved", async (t) => {
    const { config, files, folder } = await archived(t, 3);
    const lines = readFileSync(files[0] ?? "", "utf8")
      .trimEnd()
      .split("\n");
    const forged = join(folder, "forged.jsonl");
    const refuses = async (changed: readonly string[], what: string) => {
      writeFileSync(forged, `${changed.join("\n")}\n`);
      assert.equal((await verifyAuditFiles(config, [forged])).files.length, 1, what);
    };
    for (const [at, line] of lines.entries()) {
      const middle = Math.floor(line.length / 2);
      const other = line[middle] === "0" ? "1" : "0";
      const changed = line.slice(0, middle) + other + line.slice(middle + 1);
      await refuses(lines.with(at, changed), `line ${at} changed`);
      await refuses(lines.toSpliced(at, 1), `line ${at} left out`);
      await refuses(lines.toSpliced(at, 0, line), `line ${at} doubled`);
      const next = lines[at + 1];
      if (next !== undefined)
        await refuses(lines.with(at, next).with(at + 1, line), `line ${at} moved`);
    }
    const header = JSON.parse(lines[0] ?? "") as object;
    for (const change of [
      { chain: "node-2" },
      { segment: 2 },
      { from: "2020" },
      { to: "2020" },
      { first: 2 },
      { entries: 2 },
      { previous: "00".repeat(32) },
      { format: 1 },
      { version: 2 },
      { keys: [] },
    ])
      await refuses(
        lines.with(0, JSON.stringify({ ...header, ...change })),
        JSON.stringify(change),
      );
    writeFileSync(forged, lines.join("\n"));
    assert.match((await verifyAuditFiles(config, [forged])).files[0]?.reason ?? "", /cut off/);
    writeFileSync(forged, "x".repeat(5_000_000));
    assert.match((await verifyAuditFiles(config, [forged])).files[0]?.reason ?? "", /too long/);
    const absent = await verifyAuditFiles(config, [join(folder, "none")]);
    assert.match(absent.files[0]?.reason ?? "", /cannot be read: ENOENT/);
  });

  it("is missed between others, and not accepted twice under two names", async (t) => {
    const { config, files, folder } = await archived(t, 2, 2, 2);
    const [first = "", second = "", third = ""] = files;
    const { gaps } = await verifyAuditFiles(config, [first, third]);
    assert.equal(gaps.length > 0, true);
    assert.deepEqual((await verifyAuditFiles(config, [second, third])).gaps, []);
    const copy = join(folder, "copy.jsonl");
    copyFileSync(second, copy);
    assert.deepEqual(
      sumsOf(await verifyAuditFiles(config, [first, copy, second, third])).slice(1),
      [0, 0, 0, 0],
    );
  });

  it("of another server is not accepted as a part of this one's record", async (t) => {
    const one = await archived(t, 2);
    const other = await archived(t, 2);
    const foreign = await verifyAuditFiles(one.config, other.files);
    assert.match(foreign.files[0]?.reason ?? "", /needs the audit key/);
    assert.equal((await one.verify("", ...other.files)).files.length, 1);
  });

  it("from before a rotation of the root key is verified with a newer one, or with the database", async (t) => {
    const { config, files, folder, command, store, verify } = await archived(t, 2);
    await command("rotate root-key");
    assert.match(
      (await verifyAuditFiles(config, files)).files[0]?.reason ?? "",
      /newer archive of the same server/,
    );
    assert.deepEqual(sumsOf(await verify("", ...files)).slice(1), [0, 0, 0, 0]);
    await store.record('["2026-01-09","r","u","p","a",null,"ok"]');
    await command("audit seal");
    const newer = join(folder, "newer.jsonl");
    await command("audit export", newer);
    assert.deepEqual(
      sumsOf(await verifyAuditFiles(config, [...files, newer])).slice(1),
      [0, 0, 0, 0],
    );
  });

  it("needs a root key", async (t) => {
    const { files } = await archived(t, 1);
    await assert.rejects(verifyAuditFiles(configOf(temporaryFolder(t)), files), RootKeyError);
  });
});
