import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Session } from "./session.ts";

describe("the configuration of chatelaine", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-cli-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it("says how to name a key manager where none is named", async () => {
    const { code, error } = await new Session().runConfigured("key", "list");
    assert.equal(code, 2);
    assert.match(error, /no key manager is configured/);
    assert.match(error, /OS_CLOUD/);
    assert.match(error, /OS_AUTH_URL/);
  });

  it("takes the backend from the flag before the environment before the file", async () => {
    await mkdir(join(directory, ".config/chatelaine"), { recursive: true });
    await writeFile(join(directory, ".config/chatelaine/config.yaml"), "backend: fromfile\n");
    const backendIn = async (environment: Record<string, string>, ...flags: string[]) => {
      const session = new Session({ homeDirectory: directory, environment });
      return /backend (\w+): unknown/.exec(
        (await session.runConfigured(...flags, "key", "list")).error,
      )?.[1];
    };
    assert.equal(await backendIn({}), "fromfile");
    assert.equal(await backendIn({ CHATELAINE_BACKEND: "fromenv" }), "fromenv");
    assert.equal(
      await backendIn({ CHATELAINE_BACKEND: "fromenv" }, "--backend", "fromflag"),
      "fromflag",
    );
  });

  it("refuses a misspelled setting, a value that is no text, and a file that is empty or no YAML", async () => {
    const path = join(directory, "config.yaml");
    const errorOf = async (content: string) => {
      await writeFile(path, content);
      const { code, error } = await new Session().runConfigured("--config", path, "key", "list");
      assert.equal(code, 2);
      return error;
    };
    assert.match(await errorOf("backnd: memory"), /did you mean "backend"/);
    assert.match(await errorOf("backend: [memory]"), /backend must be text/);
    assert.match(await errorOf("{"), /not valid YAML/);
    assert.match(await errorOf("\n"), /the file is empty, .*; write it again, or write \{\}/);
    assert.match(await errorOf("- memory"), /must be a mapping/);
  });

  it("refuses a configuration file that is not there", async () => {
    const { code, error } = await new Session().runConfigured(
      "--config",
      join(directory, "none"),
      "key",
      "list",
    );
    assert.equal(code, 2);
    assert.match(error, /cannot be read: ENOENT/);
  });

  it("takes no password of the ledger's database from where others can read it", async () => {
    const url = "postgres://chatelaine:hunter2@127.0.0.1:9/none";
    const flag = await new Session().runConfigured("--ledger", url, "recover");
    const query = "postgres://chatelaine@127.0.0.1:9/none?password=hunter2";
    const inQuery = await new Session().runConfigured("--ledger", query, "doctor");
    const path = join(directory, "config.yaml");
    await writeFile(path, `backend: memory\nledger: ${url}\n`, { mode: 0o644 });
    const file = await new Session().runConfigured("--config", path, "recover");
    assert.match(file.error, /chmod 600/);
    const named = await new Session().runConfigured(
      "--backend",
      "memory",
      "--ledger",
      url,
      "recover",
    );
    assert.match(named.error, /--ledger: other users of this host can read a password/);
    for (const { code, error, out } of [flag, inQuery, file, named]) {
      assert.notEqual(code, 0);
      assert.doesNotMatch(error + out, /hunter2/);
    }
    const nonsense = "postgres:// hunter2";
    const wrong = await new Session().runConfigured(
      "--backend",
      "memory",
      "--ledger",
      nonsense,
      "recover",
    );
    assert.match(wrong.error, /not a URL such as/);
    assert.doesNotMatch(wrong.error, /hunter2/);
  });

  it("takes a ledger in PostgreSQL from the file, and says that its database does not answer", async () => {
    const path = join(directory, "config.yaml");
    const url = "postgres://chatelaine:hunter2@127.0.0.1:9/none";
    await writeFile(path, `backend: memory\nledger: ${url}\nledgerHost: node-7\n`, { mode: 0o600 });
    const { code, error } = await new Session().runConfigured("--config", path, "recover");
    assert.equal(code, 9);
    assert.match(error, /does not answer: .*ECONNREFUSED/);
    assert.doesNotMatch(error, /hunter2/);
    const doctor = await new Session().runConfigured("--config", path, "doctor");
    assert.match(doctor.out, /BAD +ledger +open ledger: the database does not answer/);
    assert.doesNotMatch(doctor.out, /hunter2/);
  });

  it("gives no password to the network between here and the ledger's database", async () => {
    const path = join(directory, "config.yaml");
    const run = async (query: string, more: string, ...words: readonly string[]) => {
      const ledger = `postgres://chatelaine:hunter2@db.example.org/none${query}`;
      const text = `backend: memory\nledger: ${ledger}\nledgerHost: node-7\n${more}`;
      await writeFile(path, text, { mode: 0o600 });
      const done = await new Session().runConfigured("--config", path, ...words);
      assert.doesNotMatch(done.error + done.out, /hunter2/);
      return done;
    };
    for (const query of ["", "?sslmode=disable", "?sslmode=no-verify"]) {
      const { code, error } = await run(query, "", "recover");
      assert.equal(code, 2);
      assert.match(error, /on another host.*add sslmode=verify-full.*ledgerInsecureTransport/s);
    }
    const doctor = await run("", "", "doctor");
    assert.match(doctor.out, /BAD +ledger +open ledger: its database is on another host/);
    const nonsense = await run("", "ledgerInsecureTransport: maybe\n", "recover");
    assert.equal(nonsense.code, 2);
    assert.match(nonsense.error, /must be true or false/);
  });

  it("suggests the right spelling of a backend", async () => {
    const { code, error } = await new Session().runConfigured(
      "--backend",
      "barbicn",
      "key",
      "list",
    );
    assert.equal(code, 2);
    assert.match(error, /did you mean "barbican"/);
  });

  it("serves the fixed key from a file that only its owner may read, and shows it nowhere", async () => {
    const path = join(directory, "fixed");
    await writeFile(path, `${"ab".repeat(32)}\n`, { mode: 0o600 });
    const words = [
      "--backend",
      "fixed",
      "--fixed-key-file",
      path,
      "key",
      "get",
      "00000000-0000-0000-0000-000000000000",
    ];
    const { code, out, error } = await new Session().runConfigured(...words);
    assert.equal(code, 0);
    assert.match(out, /bit length\s+256/);
    assert.match(error, /warning: fixed key manager: one key opens every volume/);
    assert.ok(!`${out}${error}`.includes("abab"));
    await chmod(path, 0o644);
    const refused = await new Session().runConfigured(...words);
    assert.equal(refused.code, 2);
    assert.match(refused.error, /chmod 600/);
  });

  it("prints the chain of causes with --verbose", async () => {
    const environment = { OS_TOKEN: "t", CHATELAINE_ENDPOINT: "http://127.0.0.1:1" };
    const plain = await new Session({ environment }).runConfigured("key", "list");
    const verbose = await new Session({ environment }).runConfigured("--verbose", "key", "list");
    assert.deepEqual([plain.code, verbose.code], [9, 9]);
    assert.ok(!plain.error.includes("because:"));
    assert.match(verbose.error, /because: .*ECONNREFUSED/);
  });
});
