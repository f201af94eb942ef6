import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Session } from "./session.ts";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

describe("chatelaine start", () => {
  let directory: string;
  let data: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-start-"));
    data = join(directory, "data");
  });
  afterEach(() => rm(directory, { recursive: true }));

  const start = (...words: readonly string[]) =>
    new Session().run("start", "--once", "--data-directory", data, ...words);

  it("shows a disk's life on a server of its own, and finds both again", async () => {
    const first = await start("--port", "0");
    assert.deepEqual([first.code, first.error], [0, ""]);
    assert.match(first.out, /A disk with a key of its own \(\d+ ms\)/);
    assert.match(first.out, /secret:decrypt/);
    assert.doesNotMatch(first.out, /OS_CLOUD/);
    const written = /with the key +(.*)/.exec(first.out)?.[1] ?? "none";

    const second = await start("--port", "0");
    assert.deepEqual([second.code, second.error], [0, ""]);
    assert.match(second.out, /A disk, found again/);
    assert.ok(second.out.includes(written));
    const [, oldKey] = /new key +(\S+)/.exec(first.out) ?? [];
    assert.match(second.out, new RegExp(`key +${oldKey}\n`));
  });

  it("keeps its data from others", async () => {
    await start("--port", "0");
    assert.equal((await stat(data)).mode & 0o777, 0o700);
    for (const file of ["keys.db", "keys.db.lock", "root-key", "clouds.yaml", "server.log"])
      assert.equal((await stat(join(data, file))).mode & 0o777, 0o600, file);
  });

  it("says what stands in the way", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const { code, error } = await start("--port", String(port));
    taken.close();
    assert.equal(code, 2);
    assert.match(error, new RegExp(`127.0.0.1:${port}: something listens there already`));
    assert.match((await start("--port", "65536")).error, /a port from 1 to 65535/);

    const file = join(directory, "file");
    await writeFile(file, "");
    const refused = await new Session().run("start", "--data-directory", join(file, "data"));
    assert.equal(refused.code, 2);
    assert.match(refused.error, /start .*: cannot be written \(ENOTDIR\): choose another --data-/);
  });

  it("leaves data alone that a newer version wrote", async () => {
    await start("--port", "0");
    for (const file of ["volumes.sqlite", "keys.db"]) {
      const database = new DatabaseSync(join(data, file));
      const columns = database.prepare("SELECT type FROM pragma_table_info('migrations')").all();
      const values = columns.map(({ type }) => (type === "INTEGER" ? "99" : "'later'"));
      database.exec(`INSERT INTO migrations VALUES (${values.join()})`);
      database.close();
      const before = await readFile(join(data, file));
      const { code, error } = await start("--port", "0");
      assert.equal(code, 8, error);
      assert.match(error, /99.*newer/);
      assert.deepEqual(await readFile(join(data, file)), before);
    }
  });

  it("refuses a data directory that another start serves", async (t) => {
    const words = ["start", "--data-directory", data, "--port", "0"];
    const child = spawn(process.execPath, [main, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    await saidUntil(child, /A console will be/);
    const { code, error } = await start("--port", "0");
    assert.equal(code, 6, error);
    assert.match(error, /another process/);
  });

  it("fits a terminal of 40 columns", async () => {
    const session = new Session({ columns: 40, environment: { NO_COLOR: "1" } });
    const words = ["start", "--once", "--data-directory", data, "--port", "0"];
    const { out } = await session.run(...words);
    for (const line of out.split("\n"))
      assert.ok(line.length <= 40 || line.includes(data) || /^ {4}/.test(line), line);
  });

  it("serves until Ctrl-C, and says what to do meanwhile", async (t) => {
    const words = ["start", "--data-directory", data, "--port", "0"];
    const child = spawn(process.execPath, [main, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    const said = await saidUntil(child, /A console will be/);
    const url = /at +(http\S+)/.exec(said)?.[1] ?? "";
    assert.equal((await fetch(`${url}/readiness`)).status, 200);
    const environment = {
      OS_CLIENT_CONFIG_FILE: join(data, "clouds.yaml"),
      OS_CLOUD: "chatelaine",
    };
    const listed = await new Session({ environment }).runConfigured("key", "list", "--json");
    assert.equal((JSON.parse(listed.out) as unknown[]).length, 1);
    const ended = once(child, "exit");
    child.kill("SIGINT");
    assert.deepEqual(await ended, [0, null]);
    assert.match(await readFile(join(data, "server.log"), "utf8"), /stopping/);
  });

  it("ends cleanly when it is stopped in the middle, and goes on at the next start", async (t) => {
    const words = ["start", "--data-directory", data, "--port", "0"];
    const child = spawn(process.execPath, [main, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    const ended = once(child, "exit");
    await saidUntil(child, /data +/);
    child.kill("SIGINT");
    assert.deepEqual(await ended, [0, null]);
    assert.equal((await start("--port", "0")).code, 0);
  });
});

/** What a process says on standard output until it says `expected`. */
async function saidUntil(child: ChildProcess, expected: RegExp): Promise<string> {
  let said = "";
  for await (const chunk of child.stdout ?? []) {
    said += String(chunk);
    if (expected.test(said)) break;
  }
  assert.match(said, expected);
  return said;
}
