import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { type ObjectId, SecretBytes } from "../../src/index.ts";
import { type MigrationReport, migrateKeys } from "../../src/migration/index.ts";
import { FakeCloud } from "../fake/cloud.ts";

const folder = mkdtempSync(join(tmpdir(), "chatelaine-migration-"));
let journals = 0;
let cloud: FakeCloud;
let journal: string;

before(async () => {
  cloud = await FakeCloud.start();
});
after(async () => {
  await cloud.stop();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  cloud.reset();
  journal = join(folder, `journal-${journals++}`);
});

const key = SecretBytes.random(32);
const consumer = { service: "volume", resourceType: "volume", resourceId: "7" };

/** A key that everybody of the project may read, and a passphrase that only its creator may. */
async function fill(): Promise<void> {
  const manager = cloud.manager();
  const alice = cloud.caller();
  const id = await manager.store(alice, { type: "symmetric", name: "k", value: key });
  await manager.client.secretMetadata.replace(alice, id, { rack: "7" });
  await manager.addConsumer(alice, id, consumer);
  const value = SecretBytes.fromText(" pässword\n");
  const text = { type: "passphrase", name: "p", contentType: "text/plain", value } as const;
  const secret = await manager.store(alice, text);
  await manager.setReadAccess(alice, secret, { projectAccess: false, userIds: [] });
}

function migrate(): Promise<MigrationReport> {
  return migrateKeys({
    source: { keyManager: cloud.manager(), caller: cloud.caller() },
    target: { keyManager: cloud.manager({ retries: 0 }), caller: cloud.bob() },
    journal,
    concurrency: 1,
    sleep: async () => {},
  });
}

async function assertMoved({ items }: MigrationReport): Promise<void> {
  const manager = cloud.manager();
  const bob = cloud.bob();
  assert.equal((await Array.fromAsync(manager.list(bob))).length, 2);
  const [k, p] = items.map(({ targetId }) => targetId as ObjectId) as [ObjectId, ObjectId];
  const copy = await manager.get(bob, k);
  assert.ok(copy.value.equals(key));
  assert.deepEqual(copy.consumers, [consumer]);
  assert.deepEqual(await manager.client.secretMetadata.all(bob, k), { rack: "7" });
  const text = await manager.get(bob, p);
  assert.equal(text.value.useText(String), " pässword\n");
  assert.equal(text.contentType, "text/plain");
  assert.equal((await manager.readAccess(bob, p)).projectAccess, false);
}

describe("a migration between Barbicans", () => {
  it("carries over bytes, attributes, metadata, grants and consumers", async () => {
    await fill();
    await assertMoved(await migrate());
  });

  it("gives what only some may read its bytes last", async () => {
    await fill();
    const calls: string[] = [];
    cloud.onRequest = ({ method, path }) => {
      if (method === "PUT")
        calls.push(path.slice(path.lastIndexOf("/") + 1).replace(/^.{36}$/, "bytes"));
    };
    await migrate();
    assert.deepEqual(calls, ["metadata", "acl", "bytes"]);
  });

  for (const step of [
    "POST .*/secrets$",
    "PUT .*/metadata",
    "PUT .*/acl",
    "PUT .*/secrets/[^/]+$",
    "POST .*/consumers",
  ]) {
    for (const takesEffect of [true, false]) {
      const what = takesEffect ? "reply" : "request";
      it(`makes nothing twice when the ${what} of ${step.replaceAll(".*/", "")} is lost`, async () => {
        await fill();
        // Of every request of that kind, so that the second attempt of the same run fails as well.
        cloud.fail(new RegExp(`^${step}`), { type: "drop", takesEffect }, 4);
        let report = await migrate();
        assert.match(cloud.takeCalls().join("\n"), new RegExp(`^${step}`, "m"));
        for (let run = 0; run < 4 && report.items.some(({ error }) => error); run++) {
          report = await migrate();
        }
        await assertMoved(report);
      });
    }
  }
});
