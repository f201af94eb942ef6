import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import {
  createVolume,
  importLedger,
  type Ledger,
  openLedger,
  rekeyVolume,
  verifyVolume,
} from "../src/index.ts";

const alice: Caller = { type: "project", projectId: "a", userId: "alice" };

describe("the volumes of another ledger", () => {
  let directory: string;
  let [old, next]: Ledger[] = [];
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const [one, two] = ["one", "two"].map((name) => () => join(directory, `${name}.img`));

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-import-"));
    old = openLedger({ path: join(directory, "old/ledger.sqlite") });
    next = openLedger({ path: join(directory, "next/ledger.sqlite") });
    for (const path of [one, two]) {
      const volumes = { keyManager, caller: alice, ledger: old };
      await createVolume(volumes, { path: path?.() ?? "", sizeBytes: 65_536 });
    }
  });
  afterEach(async () => {
    await old?.close();
    await next?.close();
    await rm(directory, { recursive: true });
  });

  it("are all of them taken over, as they are, and opened and rekeyed there", async () => {
    const [source, target] = [old as Ledger, next as Ledger];
    const checked = await importLedger(target, source, { dryRun: true });
    assert.equal(checked.length, 2);
    assert.deepEqual(await target.volumes(), []);
    const taken = await importLedger(target, source);
    assert.deepEqual(
      taken.map(({ location }) => location),
      [one?.(), two?.()],
    );
    const volumes = { keyManager, caller: alice, ledger: target };
    await verifyVolume(volumes, one?.() ?? "");
    await rekeyVolume(volumes, one?.() ?? "");
    assert.deepEqual(await target.unfinished(), []);
    await assert.rejects(importLedger(target, source), { code: "exists" });
  });

  it("are all left where one is known, is worked on, or waits for recover", async () => {
    const [source, target] = [old as Ledger, next as Ledger];
    const [first] = await source.volumes();
    const lock = await source.lock(first?.id ?? "");
    await assert.rejects(importLedger(target, source), { code: "busy" });
    await lock.release();
    let writes = 0;
    const died = {
      keyManager,
      caller: alice,
      ledger: new Proxy(source, {
        get(ledger, name) {
          const member = Reflect.get(ledger, name) as (...args: unknown[]) => unknown;
          if (typeof member !== "function") return member;
          if (name !== "write") return member.bind(ledger);
          return async (...args: unknown[]) => {
            if (++writes > 1) throw new Error("as if killed");
            await member.apply(ledger, args);
          };
        },
      }),
    };
    await assert.rejects(rekeyVolume(died, two?.() ?? ""), { code: "unfinished" });
    await assert.rejects(importLedger(target, source), { code: "unfinished", message: /recover/ });
    assert.deepEqual(await target.volumes(), []);
  });
});
