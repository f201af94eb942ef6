import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Session } from "./session.ts";

describe("chatelaine server", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-server-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it("prints its configuration without secrets, and refuses a misspelled one", async () => {
    const environment = { CHATELAINE_SERVER_DATABASE: "postgres://u:hushhush@h/d" };
    const { code, out } = await new Session({ environment }).run(
      "server",
      "config",
      "--listen-port",
      "1",
    );
    assert.equal(code, 0);
    assert.match(out, /^listen\.port: 1 {2}# --listen-port$/m);
    assert.equal(out.includes("hushhush"), false);
    const wrong = await new Session({ environment: { CHATELAINE_SERVER_LISTEN_PROT: "1" } }).run(
      "server",
      "config",
    );
    assert.equal(wrong.code, 2);
    assert.match(wrong.error, /did you mean "CHATELAINE_SERVER_LISTEN_PORT"/);
  });

  it("makes users and grants roles where no server runs", async () => {
    const session = new Session();
    const server = (...words: string[]) =>
      session.run("server", ...words, "--data-directory", directory);
    const password = join(directory, "password");
    await writeFile(password, "correct horse\n");
    assert.equal((await server("user", "create", "bob", "--password-file", password)).code, 0);
    assert.equal((await server("project", "create", "vault")).code, 0);
    assert.equal((await server("role", "grant", "bob", "vault", "member")).code, 0);
    assert.match((await server("role", "list")).out, /member/);
    assert.equal((await server("user", "delete", "carol")).code, 3);
    const noted = join(directory, "noted.json");
    await writeFile(noted, (await server("audit", "verify")).out);
    assert.equal((await server("project", "delete", "vault")).code, 0);
    assert.equal((await server("audit", "verify", "--noted", noted)).code, 0);
    await writeFile(noted, '{"chains":[{"chain":"main","entries":99,"head":"00"}]}');
    const missing = await server("audit", "verify", "--noted", noted);
    assert.deepEqual([missing.code, /noted are missing/.test(missing.error)], [11, true]);
    assert.equal((await server("audit", "verify", "--noted", directory)).code, 2);
    assert.equal((await server("restore-secret", "nothing")).code, 3);
    assert.equal((await server("restore", join(directory, "none"))).code, 3);
  });

  it("seals, exports, verifies and removes the audit record where no server runs", async () => {
    const at = (columns: number | undefined) => {
      const session = new Session({ workingDirectory: directory, columns });
      return (...words: string[]) =>
        session.run("server", "audit", ...words, "--data-directory", directory);
    };
    const audit = at(undefined);
    const noted = join(directory, "noted.json");
    assert.equal((await audit("seal")).code, 0);
    assert.match((await audit("segments")).out, /^chain +segment +state +entries/);
    assert.equal((await audit("seal")).code, 0);
    await writeFile(noted, (await audit("verify")).out);
    assert.equal((await audit("remove", "--before", "2999-01-01")).code, 6);
    assert.equal((await audit("export", "one.jsonl")).code, 0);
    assert.equal((await audit("export", "one.jsonl")).code, 6);
    assert.match((await audit("remove", "--json")).out, /"entries": [1-9]/);
    for (const words of [["one.jsonl"], ["--with-database", "one.jsonl"], ["--noted", noted]])
      assert.equal((await audit("verify", ...words)).code, 0, words.join(" "));
    const shown = await at(100)("verify", "--with-database", "one.jsonl");
    assert.match(shown.out, /^authentic entries +\d+\nremoved entries +[1-9]/);
    assert.match(shown.error, /verify/);
    const text = await readFile(join(directory, "one.jsonl"), "utf8");
    await writeFile(
      join(directory, "forged.jsonl"),
      text.replace("administrator", "nobody-at-all"),
    );
    const forged = await audit("verify", "forged.jsonl");
    assert.equal(forged.code, 11);
    assert.match(forged.error, /forged\.jsonl: an entry is not authentic/);
    assert.equal((await audit("verify", "--with-database", "forged.jsonl")).code, 11);
  });

  it("starts, writes clouds.yaml, takes commands, and ends at SIGTERM", async (t) => {
    const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
    const words = [
      main,
      "server",
      "start",
      "--listen-port",
      "0",
      "--data-directory",
      directory,
      "--log-level",
      "silent",
    ];
    const child = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    const url = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        const found = /listens on (\S+)/.exec(said)?.[1];
        if (found) resolve(found);
      });
      child.once("exit", () => reject(new Error(said)));
    });
    assert.equal((await fetch(`${url}/readiness`)).status, 200);
    assert.ok((await readFile(join(directory, "clouds.yaml"), "utf8")).includes(`${url}/v3`));
    const backup = join(directory, "backup.db");
    assert.equal(
      (await new Session().run("server", "backup", backup, "--data-directory", directory)).code,
      0,
    );
    assert.ok(existsSync(backup));
    const archive = join(directory, "archive.jsonl");
    for (const audit of [
      ["seal"],
      ["export", archive],
      ["remove"],
      ["verify", archive],
      ["verify", "--with-database", archive],
    ]) {
      const done = await new Session().run(
        "server",
        "audit",
        ...audit,
        "--data-directory",
        directory,
      );
      assert.equal(done.code, 0, `${audit.join(" ")}: ${done.error}`);
    }
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    assert.equal(await ended, 0);
  });
});
