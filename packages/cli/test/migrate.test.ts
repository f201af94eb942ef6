import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fixedKeyId, type ObjectId, SecretBytes } from "@chatelaine/keys";
import { type EmbeddedServer, startEmbeddedServer } from "../src/start/embedded-server.ts";
import { progressBar } from "../src/terminal/progress-bar.ts";
import { Session } from "./session.ts";

describe("chatelaine migrate keys", () => {
  let directory: string;
  let server: EmbeddedServer;
  let session: Session;
  let to: readonly string[];
  let fixed: readonly string[];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-cli-"));
    server = await startEmbeddedServer({ dataDirectory: directory, port: 0 });
    const { caller } = server;
    assert.ok(caller.type === "password");
    const environment = { OS_CLIENT_CONFIG_FILE: server.cloudsFile, XDG_STATE_HOME: directory };
    session = new Session({ environment, workingDirectory: directory });
    to = ["--to-os-cloud", server.cloud, "--to-endpoint", server.url, "--journal", "journal"];
    await writeFile(join(directory, "fixed.key"), `${"5a".repeat(32)}\n`, { mode: 0o600 });
    fixed = ["--from", "fixed", "--fixed-key-file", join(directory, "fixed.key")];
  });
  after(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  it("copies the fixed key, once, and says under which id", async () => {
    const plan = await session.runConfigured("migrate", "keys", ...fixed, ...to, "--dry-run");
    assert.equal(plan.code, 0, plan.error);
    assert.match(plan.out, /to do/);
    const made = await session.runConfigured("migrate", "keys", ...fixed, ...to, "--json");
    assert.equal(made.code, 0, made.error);
    const { items } = JSON.parse(made.out) as { items: { sourceId: string; targetId: ObjectId }[] };
    assert.equal(items[0]?.sourceId, fixedKeyId);
    const id = items[0]?.targetId;
    assert.ok(id);
    const { value } = await server.keyManager.get(server.caller, id);
    assert.ok(value.equals(new SecretBytes(Buffer.alloc(32, 0x5a))));
    const again = await session.runConfigured("migrate", "keys", ...fixed, ...to);
    assert.match(again.out, new RegExp(`${fixedKeyId} +${id} +symmetric .* already there`));
    assert.equal((await Array.fromAsync(server.keyManager.list(server.caller))).length, 1);
  });

  it("refuses what makes no sense, and says what would", async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [["--from", "barbicon"], /did you mean "barbican"/],
      [["--from", "fixed", ...to], /--fixed-key-file FILE/],
      [[...fixed, "--to", "fixed"], /copied to barbican/],
      [[...fixed, ...to, "--map-user", "a"], /OLD=NEW/],
      [[...fixed, ...to, "--concurrency", "0"], /1 to 64/],
      [
        [
          "--from",
          "barbican",
          "--from-os-cloud",
          server.cloud,
          ...to,
          "--from-endpoint",
          server.url,
        ],
        /are the same/,
      ],
      [[], /--from/],
    ];
    for (const [words, message] of cases) {
      const { code, error } = await session.runConfigured("migrate", "keys", ...words);
      assert.equal(code, 2, error);
      assert.match(error, message);
    }
  });

  it("draws how many are done, and how long the rest takes", () => {
    let drawn = "";
    const terminal = { columns: 80, error: (text: string) => (drawn += text) };
    let now = 0;
    const bar = progressBar({ ...terminal, out: () => {} } as never, "migrate", "items", () => now);
    now = 1_000;
    bar.update(25, 100);
    bar.update(26, 100);
    bar.end();
    const line = `migrate [${"######".padEnd(24)}]  25 %  25 of 100  3 s left`;
    assert.equal(drawn, `\r${line.padEnd(79)}\n`);
  });
});
