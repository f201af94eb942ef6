import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  type Caller,
  openKeyManager,
  SecretBytes,
  settingsFromEnvironment,
} from "@chatelaine/keys";
import { keepsTheKeyManagerPromises } from "@chatelaine/keys/conformance";
import { loadServerConfig, type RunningServer, startServer } from "@chatelaine/server";
import { createVolume, openLedger, verifyVolume } from "@chatelaine/volumes";
import { parse, stringify } from "yaml";
import { SealedFolderKeyManager } from "../sealed-folder/key-manager.ts";

let folder: string;
let environment: Record<string, string>;
let servers: readonly RunningServer[];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "chatelaine-examples-"));
  const clouds: Record<string, object> = {};
  const start = async (name: string) => {
    const dataDirectory = join(folder, name);
    mkdirSync(dataDirectory);
    const flags = {
      "--data-directory": dataDirectory,
      "--listen-port": "0",
      "--log-file": join(dataDirectory, "server.log"),
    };
    const server = await startServer(loadServerConfig({ environment: {}, flags }));
    const made = parse(readFileSync(join(dataDirectory, "clouds.yaml"), "utf8")) as {
      readonly clouds: Readonly<Record<string, { readonly auth: object }>>;
    };
    const [cloud] = Object.values(made.clouds);
    clouds[name] = { ...cloud, auth: { ...cloud?.auth, auth_url: `${server.url}/v3` } };
    return server;
  };
  servers = [await start("old"), await start("new")];
  const cloudsFile = join(folder, "clouds.yaml");
  writeFileSync(cloudsFile, stringify({ clouds }), { mode: 0o600 });
  environment = { OS_CLIENT_CONFIG_FILE: cloudsFile, OS_CLOUD: "old" };
});
after(async () => {
  for (const server of servers) await server.close();
  rmSync(folder, { recursive: true });
});

/** The first user of one of the servers. */
function sideOf(cloud: string) {
  const { caller, ...barbican } = settingsFromEnvironment({ ...environment, OS_CLOUD: cloud });
  return { keyManager: openKeyManager({ barbican }), caller };
}

async function keysOf(cloud: string): Promise<readonly string[]> {
  const { keyManager, caller } = sideOf(cloud);
  return (await Array.fromAsync(keyManager.list(caller))).map(({ id }) => id);
}

function run(example: string, ...words: readonly string[]): ChildProcess {
  const program = fileURLToPath(new URL(`../${example}`, import.meta.url));
  const { PATH, NODE_OPTIONS } = process.env;
  const env = { PATH, NODE_OPTIONS, ...environment };
  return spawn(process.execPath, [program, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [status] = (await once(child, "close")) as [number];
  assert.equal(status, 0, output);
  return output;
}

function project(id: string): Caller {
  return { type: "project", projectId: id, userId: id };
}

describe("the volume service", () => {
  it("makes, shows and destroys disks, each with a key of its own", async () => {
    const child = run("volume-service.ts", folder);
    const ended = outputOf(child);
    assert.ok(child.stdout);
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    const port = /port: (\d+)/.exec(line)?.[1];
    const call = async (method: string, path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
      return { status: response.status, text: await response.text() };
    };
    try {
      assert.equal((await call("PUT", "/volumes/a?size=1048576")).status, 200);
      assert.equal((await call("PUT", "/volumes/b?size=1048576")).status, 200);
      const shown = await call("GET", "/volumes/a");
      const { keyId } = JSON.parse(shown.text) as { keyId: string };
      assert.equal((await keysOf("old")).length, 2);
      assert.ok((await keysOf("old")).includes(keyId));
      assert.equal((await call("PUT", "/volumes/a?size=1048576")).status, 409);
      assert.equal((await call("PUT", "/volumes/c?size=1")).status, 400);
      assert.equal((await call("PUT", "/volumes/..%2Fd?size=1048576")).status, 404);
      assert.equal((await call("DELETE", "/volumes/a")).status, 200);
      assert.equal((await call("DELETE", "/volumes/b")).status, 200);
      assert.deepEqual(await keysOf("old"), []);
      assert.ok(!existsSync(join(folder, "a.img")));
    } finally {
      child.kill("SIGTERM");
    }
    await ended;
  });
});

describe("the move of volumes", () => {
  it("leaves each disk with a key that only the new key manager has seen, and may be repeated", async () => {
    const disks = ["one.img", "two.img"].map((name) => join(folder, name));
    const ledger = openLedger({ path: join(folder, "volumes.sqlite") });
    for (const path of disks) {
      await createVolume({ ...sideOf("old"), ledger }, { path, sizeBytes: 1 << 20 });
    }
    const words = ["old", "new", folder, ...disks];
    assert.equal((await outputOf(run("move-volumes.ts", ...words))).match(/: key /g)?.length, 2);
    for (const path of disks) {
      await verifyVolume({ ...sideOf("new"), ledger }, path);
      await assert.rejects(verifyVolume({ ...sideOf("old"), ledger }, path), {
        code: "missing_key",
      });
    }
    assert.equal(await outputOf(run("move-volumes.ts", ...words)), "");
    await ledger.close();
    assert.equal((await keysOf("old")).length, 2);
    assert.equal((await keysOf("new")).length, 4);
  });
});

describe("the backend of one's own", () => {
  const folders: string[] = [];
  after(() => folders.forEach((path) => rmSync(path, { recursive: true })));
  keepsTheKeyManagerPromises("a sealed folder", async () => {
    const path = mkdtempSync(join(tmpdir(), "chatelaine-sealed-"));
    folders.push(path);
    const manager = new SealedFolderKeyManager(path, SecretBytes.random(32));
    return { manager, alice: project("a"), bob: project("b") };
  });

  it("gives nothing to whoever has the folder but not the root key", async () => {
    const path = mkdtempSync(join(tmpdir(), "chatelaine-sealed-"));
    folders.push(path);
    const alice = project("a");
    const id = await new SealedFolderKeyManager(path, SecretBytes.random(32)).createKey(alice, {
      algorithm: "aes",
      bitLength: 256,
    });
    const other = new SealedFolderKeyManager(path, SecretBytes.random(32));
    await assert.rejects(other.get(alice, id), { code: "integrity" });
  });
});
