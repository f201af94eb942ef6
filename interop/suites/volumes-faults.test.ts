import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { BarbicanKeyManager, type Caller, MemoryKeyManager } from "@chatelaine/keys";
import {
  createVolume,
  deleteVolume,
  openLedger,
  recover,
  rekeyVolume,
  type VolumeContext,
  verifyVolume,
} from "@chatelaine/volumes";
import { runTool } from "../host/run-tool.ts";
import { type Fault, FaultProxy } from "../proxy/fault-proxy.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";
import { makeTenants, type Tenant } from "../server/tenants.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

const faults: Readonly<Record<string, Fault>> = {
  "the reply is lost": { type: "lose_reply" },
  "the connection is refused": { type: "refuse" },
  "a 500 after it was done": { type: "replace_reply", reply: { status: 500 } },
  "a 503 instead": { type: "answer", reply: { status: 503 } },
  "a 401 instead": { type: "answer", reply: { status: 401 } },
};

describe("volumes with keys of our server, behind a line that fails", () => {
  const folder = new ServerFolder();
  const directory = mkdtempSync(join(tmpdir(), "volumes-faults-"));
  const path = join(directory, "disk.img");
  const ledger = openLedger({ path: join(directory, "state/ledger.sqlite") });
  let server: KeyServerProcess;
  let proxy: FaultProxy;
  let caller: Caller;
  let nova: Tenant;
  let met = 0;

  before(async () => {
    server = await KeyServerProcess.start(folder);
    proxy = await FaultProxy.start(server.url);
    const tenants = await makeTenants(server.url, folder.adminPassword(), ["alice", "nova"]);
    ({ nova } = tenants);
    caller = tenants.alice.caller;
  });
  after(async () => {
    console.log(`faults: ${met}`);
    await ledger.close();
    await proxy.stop();
    await server.stop();
    folder.remove();
    rmSync(directory, { recursive: true });
  });

  const open = (endpoint: string, retries: number): VolumeContext => ({
    keyManager: new BarbicanKeyManager({
      endpoint,
      retries,
      timeoutMs: 10_000,
      sleep: (ms) => setTimeout(ms / 20),
      warn: () => undefined,
    }),
    caller,
    ledger,
  });

  /** Every key belongs to a volume of the ledger, which opens with it; no file is left beside the volumes'. */
  async function check(volumes: VolumeContext): Promise<void> {
    const records = await ledger.volumes();
    for (const { location, keyId } of records) {
      assert.equal((await verifyVolume(volumes, location)).keyId, keyId);
    }
    const keys = await Array.fromAsync(volumes.keyManager.list(caller));
    assert.deepEqual(
      keys.map(({ id, consumers }) => [id, consumers.map(({ resourceId }) => resourceId)]),
      records.map(({ id, keyId }) => [keyId, [id]]),
    );
    const files = readdirSync(directory).filter((name) => name !== "state");
    assert.equal(files.length, records.length);
  }

  for (const [name, fault] of Object.entries(faults)) {
    it(`are made, rekeyed and deleted without a leak although ${name}, at whichever request`, async () => {
      // Without retries, so that each fault is felt; a server that mends itself is the adapter's own suite.
      const [good, bad] = [open(server.url, 0), open(proxy.url, 0)];
      for (const act of [create, rekeyVolume, deleteVolume]) {
        for (let at = 0, wasMet = true; wasMet; at++) {
          wasMet = false;
          await begin(good, act);
          await proxy.record(
            () => act(bad, path).catch(() => undefined),
            (index) => {
              if (index !== at) return undefined;
              wasMet = true;
              met++;
              return fault;
            },
          );
          for (const { outcome, problem } of await recover(good)) {
            assert.ok(outcome === "finished" || outcome === "undone", `${outcome}: ${problem}`);
          }
          await check(good);
        }
      }
      await begin(good, create);
    });
  }

  it("open for a service of another project that was granted it, and for no other", async () => {
    const volumes = open(server.url, 0);
    const asNova = { ...volumes, caller: nova.caller };
    await createVolume(volumes, { path, sizeBytes: 4096 });
    await assert.rejects(() => verifyVolume(asNova, path), { code: "forbidden" });
    const granting = { ...volumes, readers: [nova.userId] };
    const { keyId } = await rekeyVolume(granting, path);
    assert.equal((await verifyVolume(asNova, path)).keyId, keyId);
    await assert.rejects(() => deleteVolume(asNova, path), { code: "forbidden" });
    await check(volumes);
    await deleteVolume(granting, path);
    await check(volumes);
  });

  /** No volume before one is made, and one before anything else. */
  async function begin(volumes: VolumeContext, act: unknown): Promise<void> {
    const isThere = (await ledger.volumes()).length > 0;
    if (act === create && isThere) await deleteVolume(volumes, path);
    if (act !== create && !isThere) await create(volumes, path);
  }
});

function create(volumes: VolumeContext, path: string) {
  return createVolume(volumes, { path, sizeBytes: 4096 });
}

describe("a full disk", () => {
  const mountPoint = mkdtempSync(join(tmpdir(), "volume-full-"));
  const state = mkdtempSync(join(tmpdir(), "volume-full-state-"));
  after(() => {
    rmSync(mountPoint, { recursive: true });
    rmSync(state, { recursive: true });
  });

  for (const where of ["the volume", "the ledger"] as const) {
    it(`of ${where}: nothing is left of what did not fit, and with room again all goes on`, async () => {
      let failed = 0;
      for (const kilobytes of [4, 16, 32, 48, 64, 96, 128, 160, 256, 320, 1024]) {
        const keyManager = new MemoryKeyManager({ warn: () => undefined });
        const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
        runTool("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", mountPoint]);
        try {
          const other = join(state, `${where}-${kilobytes}`);
          mkdirSync(other);
          const [disks, records] =
            where === "the volume" ? [mountPoint, other] : [other, mountPoint];
          if (!(await tryOn(disks, records, keyManager, caller))) failed++;
        } finally {
          runTool("umount", [mountPoint]);
        }
      }
      assert.ok(failed >= 2 && failed <= 10, `${failed} of 11 did not fit`);
    });
  }

  /** @returns whether there was room */
  async function tryOn(
    disks: string,
    records: string,
    keyManager: MemoryKeyManager,
    caller: Caller,
  ): Promise<boolean> {
    const path = join(disks, "disk.img");
    const keys = () => Array.fromAsync(keyManager.list(caller));
    const make = async () => {
      const ledger = openLedger({ path: join(records, "ledger.sqlite") });
      const volumes = { keyManager, caller, ledger };
      try {
        await createVolume(volumes, { path, sizeBytes: 4096 });
        return true;
      } finally {
        await ledger.close();
      }
    };
    const fitted = await make().catch((error: unknown) => {
      assert.match(String(error), /VolumeError|LuksError/);
      return false;
    });
    if (!fitted) {
      runTool("mount", ["-o", "remount,size=32m", mountPoint]);
      const ledger = openLedger({ path: join(records, "ledger.sqlite") });
      try {
        for (const { outcome } of await recover({ keyManager, caller, ledger })) {
          assert.ok(outcome === "finished" || outcome === "undone");
        }
        assert.deepEqual([await keys(), await ledger.volumes()], [[], []]);
        const left = readdirSync(disks).filter((name) => !name.startsWith("ledger"));
        assert.deepEqual(left, []);
      } finally {
        await ledger.close();
      }
      assert.ok(await make());
    }
    assert.equal((await keys()).length, 1);
    return fitted;
  }
});

it("meets every fault at every call to the key manager, and others that want the same volume", () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--test", "packages/volumes/test/faults.test.ts", "packages/volumes/test/compete.test.ts"],
    {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, CHATELAINE_KILLS: "all", NODE_TEST_CONTEXT: undefined },
    },
  );
  assert.equal(status, 0, `${stdout}${stderr}`);
  const faulty = Number(/faults: (\d+)/.exec(stdout)?.[1]);
  console.log(`faults: ${faulty}`);
  assert.ok(faulty >= 300, `only ${faulty} faults`);
});
