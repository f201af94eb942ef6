import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import {
  cloneVolume,
  createVolume,
  type Ledger,
  openLedger,
  recover,
  rekeyVolume,
  type StepEvent,
  VolumeError,
  verifyVolume,
} from "../src/index.ts";

const alice: Caller = { type: "project", projectId: "a", userId: "alice" };

describe("an operation whose lock is lost, as on a shared ledger", () => {
  let directory: string;
  let path: string;
  let ledger: Ledger;
  let keyManager: MemoryKeyManager;
  const ordinary = () => ({ keyManager, caller: alice, ledger });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-lost-"));
    path = join(directory, "disk.img");
    keyManager = new MemoryKeyManager({ warn: () => undefined });
    ledger = openLedger({ path: join(directory, "state/ledger.sqlite") });
    await createVolume(ordinary(), { path, sizeBytes: 65_536 });
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  /** A context that loses its locks when told to, and tells of each step. */
  function losing(when: (moment: string, lose: () => void) => void, commitIsUnanswered = false) {
    const lost = new AbortController();
    const moments: string[] = [];
    const lose = () => lost.abort(new VolumeError("busy", "the lock is lost"));
    const lostLedger = new Proxy(ledger, {
      get(target, name) {
        const member = Reflect.get(target, name) as (...args: unknown[]) => unknown;
        if (typeof member !== "function") return member;
        return async (...args: unknown[]) => {
          if (name === "write") lost.signal.throwIfAborted();
          const result = await member.apply(target, args);
          if (name === "lock") return { ...(result as object), lost: lost.signal };
          const { phase } = (args[0] ?? {}) as { readonly phase?: string };
          if (commitIsUnanswered && name === "write" && phase === "finishing") {
            lose();
            throw new VolumeError("unavailable", "no answer to the commit");
          }
          return result;
        };
      },
    });
    const onStep = ({ moment, step }: StepEvent) => {
      moments.push(`${moment} ${step}`);
      when(`${moment} ${step}`, lose);
    };
    return { context: { ...ordinary(), ledger: lostLedger, onStep }, moments };
  }

  it("stops in the middle of a long step, takes nothing back, and is recovered by whoever has the lock", async () => {
    let losesAtNextKey: (() => void) | undefined;
    const { context, moments } = losing((moment, lose) => {
      if (moment === "taking copy the data") losesAtNextKey = lose;
    });
    const get: typeof keyManager.get = (...args) => {
      losesAtNextKey?.();
      return MemoryKeyManager.prototype.get.apply(keyManager, args);
    };
    keyManager.get = get;
    const clone = join(directory, "clone.img");
    await assert.rejects(cloneVolume(context, path, { path: clone }), { code: "unfinished" });
    assert.equal(moments.at(-1), "taking copy the data");
    const outcomes = (await recover(ordinary())).map(({ outcome }) => outcome);
    assert.deepEqual(outcomes, ["undone"]);
    assert.deepEqual((await readdir(directory)).toSorted(), ["disk.img", "state"]);
    assert.equal((await Array.fromAsync(keyManager.list(alice))).length, 1);
  });

  it("begins no step after a commit whose answer was lost with it", async () => {
    const { context, moments } = losing(() => undefined, true);
    await assert.rejects(rekeyVolume(context, path), { code: "unfinished" });
    assert.ok(moments.length > 0);
    assert.ok(!moments.some((moment) => moment.startsWith("taken retire")), moments.join());
    const outcomes = (await recover(ordinary())).map(({ outcome }) => outcome);
    assert.deepEqual(outcomes, ["finished"]);
    await verifyVolume(ordinary(), path);
    assert.equal((await Array.fromAsync(keyManager.list(alice))).length, 1);
  });
});
