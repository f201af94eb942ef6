/** What a running server reads again. What signals do is in packages/cli/test/server-signals.test.ts. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { loadServerConfig } from "../src/config/config.ts";
import { LineWriter } from "../src/observe/line-writer.ts";
import { createLogger, type Logger, silentLogger } from "../src/observe/log.ts";
import { Reloader } from "../src/startup/reloader.ts";
import { startServer } from "../src/startup/start-server.ts";
import { login } from "./support/builtin-harness.ts";
import { temporaryFolder } from "./support/harness.ts";

interface Line {
  readonly msg: string;
  readonly part?: string;
  readonly error?: string;
}

function linesOf(file: string): readonly Line[] {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Line);
}

describe("a reload", () => {
  it("is done once more for all that are asked for meanwhile, and not more often", async () => {
    const waiting: (() => void)[] = [];
    const reload = () => new Promise<void>((resolve) => waiting.push(resolve));
    const reloader = new Reloader([{ name: "part", reload }], silentLogger);
    const all = [reloader.reload(), reloader.reload(), reloader.reload()];
    assert.equal(waiting.length, 1);
    waiting[0]?.();
    while (waiting.length < 2) await Promise.resolve();
    waiting[1]?.();
    await Promise.all(all);
    assert.equal(waiting.length, 2);
    const later = reloader.reload();
    assert.equal(waiting.length, 3);
    waiting[2]?.();
    await later;
    assert.equal(waiting.length, 3);
  });

  it("goes on after a part that cannot be read, and says which one it was", async () => {
    const said: [object, string][] = [];
    const log: Logger = {
      ...silentLogger,
      info: (members, message) => void said.push([members, message]),
      error: (members, message) => void said.push([members, message]),
    };
    const parts = [
      { name: "first", reload: () => Promise.reject(new Error("first.pem: no such file")) },
      { name: "second", reload: () => undefined },
    ];
    await new Reloader(parts, log).reload();
    assert.deepEqual(said, [
      [
        { part: "first", error: "first.pem: no such file" },
        "reload failed; the previous configuration stays in use",
      ],
      [{ reloaded: "second" }, "reloaded"],
    ]);
  });
});

describe("a log", () => {
  it("is written to a new file after the old one was moved away, and no line is lost", async (t) => {
    const [file, moved] = [join(temporaryFolder(t), "log"), join(temporaryFolder(t), "log.1")];
    const log = createLogger({ level: "info", file });
    const messages = Array.from({ length: 2_000 }, (_, n) => `line ${n}`);
    for (const [n, message] of messages.entries()) {
      log.info({}, message);
      if (n === 1_000) {
        renameSync(file, moved);
        await log.reopen();
      }
    }
    await log.flush();
    const written = [...linesOf(moved), ...linesOf(file)].map(({ msg }) => msg);
    assert.deepEqual(written, messages);
    assert.equal(linesOf(file).at(-1)?.msg, "line 1999");
  });

  it("stays where it is if its new file cannot be made", async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, "sub", "log");
    const log = createLogger({ level: "info", file });
    log.info({}, "one");
    await log.flush();
    renameSync(join(folder, "sub"), join(folder, "moved"));
    writeFileSync(join(folder, "sub"), "no folder");
    await assert.rejects(log.reopen());
    log.info({}, "two");
    await log.flush();
    assert.deepEqual(
      linesOf(join(folder, "moved", "log")).map(({ msg }) => msg),
      ["one", "two"],
    );
  });

  it("goes to the other descriptor when the write that is under way is done", async () => {
    const written: [number, string][] = [];
    let finish: (() => void) | undefined;
    const writer = new LineWriter({
      descriptor: 98,
      lost: (lines) => `lost ${lines}\n`,
      write: async (descriptor, bytes) => {
        written.push([descriptor, Buffer.from(bytes).toString()]);
        if (descriptor === 98) await new Promise<void>((resolve) => (finish = resolve));
        return { bytesWritten: bytes.length };
      },
    });
    writer.add("one\n");
    const flushed = writer.flush();
    const redirected = writer.redirect(99);
    writer.add("two\n");
    finish?.();
    assert.equal(await redirected, 98);
    await flushed;
    assert.deepEqual(written, [
      [98, "one\n"],
      [99, "two\n"],
    ]);
  });
});

describe("a server that reloads", () => {
  it("decides by the new policy, keeps the former one if that cannot be used, and says so in its new log", async (t) => {
    const { server, folder, list } = await start(t);
    const [policy, log] = [join(folder, "policy.yaml"), join(folder, "log")];
    assert.equal(await list(), 200);
    writeFileSync(policy, '"secrets:get": "!"\n');
    assert.equal(await list(), 200);
    renameSync(log, `${log}.1`);
    await server.reload();
    assert.equal(await list(), 403);
    writeFileSync(policy, '"secrets:gett": "@"\n');
    await server.reload();
    rmSync(policy);
    await server.reload();
    assert.equal(await list(), 403);
    await server.close();
    assert.ok(linesOf(`${log}.1`).some(({ msg }) => msg === "listening"));
    const failed = linesOf(log).filter(({ msg }) => msg.startsWith("reload failed"));
    assert.deepEqual(
      failed.map(({ part }) => part),
      ["policy", "policy"],
    );
    assert.match(failed[0]?.error ?? "", /secrets:gett/);
    assert.match(failed[1]?.error ?? "", /policy\.yaml.*ENOENT/);
  });
});

describe("a policy file that an editor has just truncated", () => {
  it("does not change the rules of a running server", async (t) => {
    const { server, folder, list } = await start(t);
    const [policy, log] = [join(folder, "policy.yaml"), join(folder, "log")];
    writeFileSync(policy, '"secrets:get": "!"\n');
    await server.reload();
    for (const truncated of ["", " \n\t\n"]) {
      writeFileSync(policy, truncated);
      await server.reload();
      assert.equal(await list(), 403);
    }
    writeFileSync(policy, "{}\n");
    await server.reload();
    assert.equal(await list(), 200);
    await server.close();
    const failed = linesOf(log).filter(({ msg }) => msg.startsWith("reload failed"));
    assert.equal(failed.length, 2);
    for (const { error = "" } of failed)
      assert.match(error, /^policy\.file .*policy\.yaml: the file is empty, .*; write it again/);
  });

  it("keeps a server from starting", async (t) => {
    await assert.rejects(start(t, "\n"), /^ServerError: policy\.file .*: the file is empty/);
  });
});

describe("a server whose policy file becomes a pipe", { timeout: 60_000 }, () => {
  it("waits for no writer, and keeps the former policy", async (t) => {
    const { server, folder, list } = await start(t);
    const [policy, log] = [join(folder, "policy.yaml"), join(folder, "log")];
    rmSync(policy);
    assert.equal(spawnSync("mkfifo", [policy]).status, 0);
    await server.reload();
    assert.equal(await list(), 200);
    await server.close();
    const failed = linesOf(log).filter(({ msg }) => msg.startsWith("reload failed"));
    assert.match(failed[0]?.error ?? "", /policy\.yaml: it must be a regular file/);
  });
});

async function start(t: TestContext, policy = "{}\n") {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "policy.yaml"), policy);
  const server = await startServer(
    loadServerConfig({
      environment: {},
      flags: {
        "--listen-port": "0",
        "--data-directory": folder,
        "--log-file": join(folder, "log"),
        "--policy-file": join(folder, "policy.yaml"),
      },
    }),
  );
  t.after(() => server.close());
  const clouds = readFileSync(join(folder, "clouds.yaml"), "utf8");
  const password = /password: "?([\w-]{8,})/.exec(clouds)?.[1] ?? "";
  const logged = await fetch(`${server.url}/v3/auth/tokens`, {
    method: "POST",
    body: JSON.stringify(login(password, { name: "admin", project: "admin" })),
  });
  await logged.arrayBuffer();
  const headers = { "x-auth-token": logged.headers.get("x-subject-token") ?? "" };
  const list = async () => {
    const answer = await fetch(`${server.url}/v1/secrets`, { headers });
    await answer.arrayBuffer();
    return answer.status;
  };
  return { server, folder, list };
}
