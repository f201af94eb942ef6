import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { certificateDer } from "../../src/conformance/certificate.ts";
import {
  type Caller,
  FixedKeyManager,
  fixedKeyId,
  KeyManagerError,
  type ManagedObject,
  MemoryKeyManager,
  type ObjectId,
  SecretBytes,
  type StoredObject,
} from "../../src/index.ts";
import {
  type MigrationOptions,
  type MigrationReport,
  migrateKeys,
} from "../../src/migration/index.ts";
import { refuses } from "../refuses.ts";

const alice: Caller = { type: "project", projectId: "old", userId: "alice" };
const anna: Caller = { type: "project", projectId: "new", userId: "anna" };
const folder = mkdtempSync(join(tmpdir(), "chatelaine-migration-"));
after(() => rmSync(folder, { recursive: true }));
const pair = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "der" },
  publicKeyEncoding: { type: "spki", format: "der" },
});
const twins: ManagedObject = { type: "passphrase", name: "twin", value: SecretBytes.fromText("a") };
const objects: readonly ManagedObject[] = [
  { type: "symmetric", name: "k", algorithm: "aes", mode: "xts", value: SecretBytes.random(64) },
  { type: "passphrase", name: "p", contentType: "text/plain", value: SecretBytes.fromText(" ü\n") },
  { type: "private", algorithm: "rsa", name: "pair", value: new SecretBytes(pair.privateKey) },
  { type: "public", algorithm: "rsa", name: "pair", value: new SecretBytes(pair.publicKey) },
  { type: "certificate", name: "c", value: new SecretBytes(certificateDer()) },
  { type: "opaque", expiration: new Date("2126-01-01"), name: "o", value: SecretBytes.random(9) },
  twins,
  twins,
];
const consumer = { service: "volume", resourceType: "volume", resourceId: "7" };

let source: MemoryKeyManager;
let target: MemoryKeyManager;
let ids: readonly ObjectId[];
let journals = 0;
let journal: string;

beforeEach(async () => {
  source = new MemoryKeyManager({ warn: () => {} });
  target = new MemoryKeyManager({ warn: () => {} });
  ids = await Promise.all(objects.map((object) => source.store(alice, object)));
  await source.addConsumer(alice, ids[0] as ObjectId, consumer);
  await source.setReadAccess(alice, ids[1] as ObjectId, { projectAccess: false, userIds: ["bob"] });
  journal = join(folder, `journal-${journals++}`);
});

function migrate(options: Partial<MigrationOptions> = {}): Promise<MigrationReport> {
  return migrateKeys({
    source: { keyManager: source, caller: alice },
    target: { keyManager: target, caller: anna },
    journal,
    sleep: async () => {},
    ...options,
  });
}

/** The target with some of its methods replaced, and without others. */
function faulty(methods: Partial<MemoryKeyManager>, lacking: readonly string[] = []) {
  const keyManager = new Proxy(target, {
    get(manager, name) {
      if (Object.hasOwn(methods, name)) return Reflect.get(methods, name) as unknown;
      const value: unknown = Reflect.get(manager, name);
      const isMethod = typeof value === "function" && name !== "constructor";
      return isMethod ? (value.bind(manager) as unknown) : value;
    },
    has: (manager, name) => !lacking.includes(String(name)) && name in manager,
  });
  return { target: { keyManager, caller: anna } };
}

const outcomes = (report: MigrationReport) => report.items.map(({ outcome }) => outcome);
const listed = (manager: MemoryKeyManager, caller: Caller) => Array.fromAsync(manager.list(caller));

/** Everything is in the target, once, with all that it is. */
async function assertMoved(report: MigrationReport): Promise<void> {
  assert.equal((await listed(target, anna)).length, objects.length);
  const targetIds = report.items.map(({ targetId }) => targetId);
  assert.equal(new Set(targetIds).size, objects.length);
  for (const { sourceId, targetId } of report.items) {
    assert.ok(targetId);
    const [old, copy] = [await source.get(alice, sourceId), await target.get(anna, targetId)];
    assert.deepEqual(lasting(copy), lasting(old));
    assert.ok(copy.value.equals(old.value));
    assert.deepEqual(
      await target.readAccess(anna, targetId),
      await source.readAccess(alice, sourceId),
    );
  }
}

function lasting(object: StoredObject): object {
  const { type, name, algorithm, bitLength, mode, expiration, contentType, consumers } = object;
  return { type, name, algorithm, bitLength, mode, expiration, contentType, consumers };
}

const lost = () => new KeyManagerError("unavailable", "the reply was lost");
const refuse = async () => {
  throw new KeyManagerError("forbidden", "no");
};
const loseReply = async () => {
  throw lost();
};

describe("a migration", () => {
  it("carries over objects of all types with all that is known of them", async () => {
    const report = await migrate();
    assert.deepEqual(new Set(outcomes(report)), new Set(["copied"]));
    await assertMoved(report);
  });

  it("makes nothing twice when it is repeated, and says where everything is", async () => {
    const first = await migrate();
    const second = await migrate({ verify: true });
    assert.deepEqual(new Set(outcomes(second)), new Set(["already there"]));
    assert.deepEqual(
      second.items.map(({ targetId }) => targetId),
      first.items.map(({ targetId }) => targetId),
    );
    await assertMoved(second);
  });

  it("copies what has been added, and again what has gone from the target", async () => {
    const first = await migrate();
    await source.store(alice, { type: "opaque", name: "new", value: SecretBytes.random(4) });
    await target.delete(anna, first.items[2]?.targetId as ObjectId);
    const second = outcomes(await migrate());
    assert.equal(second.filter((outcome) => outcome === "copied").length, 2);
    assert.equal((await listed(target, anna)).length, objects.length + 1);
  });

  it("leaves alone what others keep in the target, be it the same", async () => {
    const others = await target.store(anna, twins);
    const failed = await migrate(faulty({ store: loseReply }));
    assert.ok(failed.items.every(({ error }) => error?.retryable));
    const report = await migrate();
    assert.ok(!report.items.some(({ targetId }) => targetId === others));
    await target.delete(anna, others);
    await assertMoved(report);
  });

  it("changes nothing in a dry run", async () => {
    const counts: number[] = [];
    const report = await migrate({ dryRun: true, progress: ({ done }) => counts.push(done) });
    assert.deepEqual(new Set(outcomes(report)), new Set(["to do"]));
    assert.deepEqual(
      counts,
      objects.map((_, index) => index + 1),
    );
    assert.equal((await listed(target, anna)).length, 0);
    assert.ok(!existsSync(journal));
  });

  it("begins nothing more once it is told to stop, and is finished by the next", async () => {
    const stop = new AbortController();
    const report = await migrate({
      signal: stop.signal,
      concurrency: 1,
      progress: ({ done }) => done === 3 && stop.abort(),
    });
    assert.deepEqual(outcomes(report).slice(2, 4), ["copied", "to do"]);
    assert.equal((await listed(target, anna)).length, 3);
    await assertMoved(await migrate());
  });

  it("gives users of another Keystone their ids there", async () => {
    const report = await migrate({ users: new Map([["bob", "bert"]]) });
    const { userIds } = await target.readAccess(anna, report.items[1]?.targetId as ObjectId);
    assert.deepEqual(userIds, ["bert"]);
  });

  it("copies the fixed key", async () => {
    const keyManager = new FixedKeyManager({ key: "00ff".repeat(16), warn: () => {} });
    const { items } = await migrate({ source: { keyManager, caller: alice } });
    assert.equal(items[0]?.sourceId, fixedKeyId);
    const { value, bitLength } = await target.get(anna, items[0]?.targetId as ObjectId);
    assert.equal(
      value.use((bytes) => Buffer.from(bytes).toString("hex")),
      "00ff".repeat(16),
    );
    assert.equal(bitLength, 256);
  });

  it("skips what the target cannot keep, with the reason", async () => {
    const { items } = await migrate(faulty({}, ["addConsumer", "setReadAccess"]));
    assert.match(items[0]?.reason ?? "", /consumers/);
    assert.match(items[1]?.reason ?? "", /who may read/);
    assert.deepEqual(
      items.map(({ outcome }) => outcome),
      ["skipped", "skipped", ...objects.slice(2).map(() => "copied")],
    );
  });

  it("does not take a short file of something else for its journal", async () => {
    writeFileSync(journal, "a note");
    await assert.rejects(migrate(), {
      message: `journal ${journal}: the file is not a journal; name another one`,
    });
    assert.equal(readFileSync(journal, "utf8"), "a note");
  });

  it("keeps its journal for its owner, for one migration and for one process", async () => {
    await migrate();
    assert.equal(statSync(journal).mode & 0o777, 0o600);
    const elsewhere = { keyManager: target, caller: { ...anna, projectId: "third" } };
    await refuses(() => migrate({ target: elsewhere }), "conflict", /another migration, from/);
    await refuses(
      () => migrate({ target: { keyManager: source, caller: alice } }),
      "invalid_argument",
      /the same/,
    );
    let second: Promise<unknown> | undefined;
    const progress = () => {
      second ??= refuses(() => migrate(), "conflict", /at work/);
    };
    await migrate({ progress });
    assert.ok(second);
    await second;
  });
});

/** What a kill looks like from inside: nothing that follows is done. */
class Killed extends Error {}

describe("a migration whose process is killed", () => {
  const changes = ["store", "setReadAccess", "addConsumer", "get"] as const;
  for (const moment of ["before", "after"] as const) {
    it(`${moment} any of the target's calls leaves nothing out and makes nothing twice`, async () => {
      let kills = 0;
      for (let nth = 1; ; nth++) {
        target = new MemoryKeyManager({ warn: () => {} });
        journal = join(folder, `journal-${journals++}`);
        let calls = 0;
        const killing = Object.fromEntries(
          changes.map((name) => [
            name,
            async (...args: readonly unknown[]) => {
              const kill = ++calls === nth;
              if (kill && moment === "before") throw new Killed();
              const result = await (target[name] as (...all: unknown[]) => unknown)(...args);
              if (kill) throw new Killed();
              return result;
            },
          ]),
        );
        try {
          await migrate({ ...faulty(killing), concurrency: 1 });
          break;
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          kills += 1;
        }
        await assertMoved(await migrate());
      }
      assert.equal(kills, 2 * objects.length + 2);
    });
  }
});

describe("a migration whose target fails", () => {
  it("finds the object of a lost reply, even if it is made later", async () => {
    const late: (() => Promise<unknown>)[] = [];
    let calls = 0;
    const store: MemoryKeyManager["store"] = async (...args) => {
      calls += 1;
      if (calls === 2) late.push(() => target.store(...args));
      else if (calls % 2 === 1) await target.store(...args);
      throw lost();
    };
    let sleeps = 0;
    const sleep = async () => {
      if (++sleeps === 2) for (const act of late.splice(0)) await act();
    };
    const first = await migrate({ ...faulty({ store }), sleep, concurrency: 3 });
    assert.ok(outcomes(first).includes("copied"));
    assert.ok(first.items.some(({ error }) => error?.retryable));
    await assertMoved(await migrate());
  });

  it("leaves nothing of what comes back with other bytes", async () => {
    const get: MemoryKeyManager["get"] = async (...args) => {
      const found = await target.get(...args);
      return found.name === "k" ? { ...found, value: SecretBytes.random(64) } : found;
    };
    const { items } = await migrate(faulty({ get }));
    assert.equal(items[0]?.outcome, "failed");
    assert.equal(items[0]?.error?.code, "integrity");
    assert.equal((await listed(target, anna)).length, objects.length - 1);
    await assertMoved(await migrate());
  });

  it("leaves nothing of what is refused half-way, and goes on with the rest", async () => {
    const { items } = await migrate(faulty({ setReadAccess: refuse }));
    assert.equal(items[1]?.error?.code, "forbidden");
    assert.equal(items.filter(({ outcome }) => outcome === "copied").length, objects.length - 1);
    assert.equal((await listed(target, anna)).length, objects.length - 1);
    await assertMoved(await migrate());
  });

  it("keeps what could not be finished for the next run", async () => {
    const { items } = await migrate(faulty({ addConsumer: loseReply }));
    assert.equal(items[0]?.outcome, "failed");
    await assertMoved(await migrate());
  });

  it("says of earlier copies whose bytes are others now", async () => {
    await migrate();
    const get: MemoryKeyManager["get"] = async (...args) => {
      const found = await target.get(...args);
      return { ...found, value: SecretBytes.random(3) };
    };
    const { items } = await migrate({ ...faulty({ get }), verify: true });
    assert.ok(items.every(({ error }) => error?.code === "integrity"));
    assert.equal((await listed(target, anna)).length, objects.length);
  });
});
