import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runTool } from "../host/run-tool.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync("/var/tmp/chatelaine-first-start-");
const clone = join(folder, "clone");
const data = join(folder, "data");
const port = "19413";
const mounted: string[] = [];
after(() => {
  for (const place of mounted) spawnSync("umount", [place]);
  rmSync(folder, { recursive: true, force: true });
});

before(() => runTool("git", ["clone", "-q", repository, clone]));

/** As whoever typed it: without what `npm run test:interop` has put into the environment. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:npm_|NODE_)/i.test(name));
  const path = (process.env["PATH"] ?? "").split(":").filter((each) => !/node_modules/.test(each));
  const registry = process.env["npm_config_registry"];
  return {
    ...Object.fromEntries(kept),
    PATH: path.join(":"),
    ...(registry !== undefined && { npm_config_registry: registry }),
    ...more,
  };
}

/** `npm start`, in a process group of its own, as a terminal makes it. */
function npmStart(words: readonly string[], more?: Readonly<Record<string, string>>): ChildProcess {
  const line = ["start", "--", "--port", port, "--data-directory", ...words];
  return spawn("npm", line, {
    cwd: clone,
    env: environment(more),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** What a process says, and how it ends; `until` sends its whole group a signal when it has said something. */
async function transcript(
  child: ChildProcess,
  until?: { readonly said: RegExp; readonly signal: NodeJS.Signals },
): Promise<{ readonly code: number | null; readonly said: string }> {
  let said = "";
  let sent = false;
  const hear = (chunk: Buffer) => {
    said += String(chunk);
    if (sent || until === undefined || !until.said.test(said)) return;
    sent = true;
    process.kill(-(child.pid ?? 0), until.signal);
  };
  child.stdout?.on("data", hear);
  child.stderr?.on("data", hear);
  await once(child, "close");
  return { code: child.exitCode, said };
}

describe("npm start in a fresh clone", () => {
  it("says which Node.js it needs, if this one is too old for it", () => {
    for (const version of ["14", "18"]) {
      const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
      const place = join(folder, `node-${version}`);
      runTool("npm", ["install", ...quiet, "--prefix", place, `node@${version}`]);
      const node = join(place, "node_modules/node/bin/node");
      const { status, stderr } = spawnSync(node, [join(clone, "scripts/prepare.mjs")], {
        encoding: "utf8",
      });
      assert.equal(status, 1);
      assert.match(
        stderr,
        /^chatelaine: this is Node\.js 1[48]\.\S+; a clone needs 20 or later.*\n$/,
      );
    }
  });

  it("says that it needs the registry, if there is no network", async () => {
    const nowhere = {
      npm_config_registry: "http://127.0.0.1:9/",
      npm_config_cache: join(folder, "empty"),
      npm_config_fetch_retries: "0",
    };
    const { code, said } = await transcript(npmStart([data], nowhere));
    assert.notEqual(code, 0);
    assert.match(said, /chatelaine: npm ci failed: .*it needs the npm registry/);
    assert.ok(!existsSync(data));
  });

  it("begins anew after Ctrl-C while it installs", async () => {
    const until = { said: /installing dependencies/, signal: "SIGINT" } as const;
    const stopped = await transcript(npmStart([data]), until);
    assert.notEqual(stopped.code, 0);
    const { code, said } = await transcript(npmStart([data, "--once"]));
    assert.equal(code, 0, said);
    assert.match(said, /6\. The audit record[^]*Done\./);
  });

  for (const signal of ["SIGINT", "SIGKILL"] as const)
    it(`finds everything again after ${signal} at each step`, async () => {
      for (const step of [
        "at +http",
        "1\\.",
        "2\\.",
        "3\\.",
        "4\\.",
        "5\\.",
        "6\\.",
        "A console",
      ]) {
        const until = { said: new RegExp(`^ *${step}`, "m"), signal };
        const { said } = await transcript(npmStart([data]), until);
        assert.match(said, until.said);
        const isSaid = said.includes("Stopped; the next start finds everything again.");
        assert.equal(isSaid, signal === "SIGINT", said);
      }
      const child = npmStart([data]);
      let found = "";
      for await (const chunk of child.stdout ?? []) {
        found += String(chunk);
        if (found.includes("A console will be")) break;
      }
      const { stdout, stderr } = spawnSync(
        join(clone, "node_modules/.bin/node"),
        ["packages/cli/dist/main.js", "reconcile", "--json"],
        {
          cwd: clone,
          encoding: "utf8",
          env: environment({
            OS_CLOUD: "chatelaine",
            OS_CLIENT_CONFIG_FILE: join(data, "clouds.yaml"),
            CHATELAINE_LEDGER: join(data, "volumes.sqlite"),
          }),
        },
      );
      const ended = once(child, "exit");
      process.kill(-(child.pid ?? 0), "SIGTERM");
      await ended;
      assert.notEqual(stdout, "", stderr);
      const findings = JSON.parse(stdout) as readonly { readonly type: string }[];
      assert.deepEqual([...new Set(findings.map(({ type }) => type))], ["ok"], stdout);
    });

  it("says that a disk is full or read-only, and goes on when it is not any more", async () => {
    const small = join(folder, "small");
    mkdirSync(small);
    runTool("mount", ["-t", "tmpfs", "-o", "size=330k", "tmpfs", small]);
    mounted.push(small);
    const full = await transcript(npmStart([join(small, "data"), "--once"]));
    assert.equal(full.code, 9, full.said);
    assert.match(full.said, /chatelaine: start .*: the disk is full: make room and start again/);
    runTool("mount", ["-o", "remount,ro", small]);
    const readOnly = await transcript(npmStart([join(small, "other"), "--once"]));
    assert.equal(readOnly.code, 2, readOnly.said);
    assert.match(readOnly.said, /cannot be written \((?:EROFS|ENOENT)\): choose another/);
    runTool("mount", ["-o", "remount,rw,size=64m", small]);
    const { code, said } = await transcript(npmStart([join(small, "data"), "--once"]));
    assert.equal(code, 0, said);
    assert.deepEqual(readdirSync(small), ["data"]);
  });
});
