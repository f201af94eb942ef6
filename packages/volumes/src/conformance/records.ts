import assert from "node:assert/strict";
import { it } from "node:test";
import { objectId } from "@chatelaine/keys/interface";
import type { OperationRecord, VolumeRecord } from "../model/ledger.ts";
import {
  idsOf,
  operationNamed,
  put,
  rejectsWith,
  type Scene,
  volumeNamed,
  write,
} from "./scene.ts";

const key = objectId("5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f");

export function promisesOfRecords(of: () => Scene): void {
  promisesOfFidelity(of);
  promisesOfAtomicity(of);
  promisesOfLists(of);
  promisesOfQuarantine(of);
}

function promisesOfFidelity(of: () => Scene): void {
  it("gives back what was written, to whoever opens it afterwards", async () => {
    const { ledger, open } = of();
    const volume = volumeNamed(ledger, "v", "/disks/größe \u{1f5dd}.img", {
      kind: "snapshot",
      project: "Ünïted/proj'ect\n",
      format: "luks1",
      keyId: key,
      state: "ready",
      parentId: "another",
      headerBackup: "/backup",
      layout: {
        format: "luks1",
        cipher: "aes-xts-plain64",
        volumeKeyBitLength: 512,
        sectorSize: 512,
        dataOffset: 16_777_216,
        size: 1_048_576,
        digest: "0f".repeat(32),
      },
      attributes: { instance: "i", "a b": '"\\' },
      created: new Date("2026-11-28T20:15:00.123Z"),
    });
    const operation = operationNamed(ledger, "1", {
      phase: "finishing",
      step: 3,
      input: { path: "/a", nested: [{ deep: null }], text: "x".repeat(200_000) },
      facts: { keyId: key },
      problem: "it said ‘no’",
      created: new Date(8_640_000_000_000_000),
    });
    await write(ledger, operation, [put(volume)]);
    const again = await open();
    assert.deepEqual(withoutTime(await again.volume("v")), withoutTime(volume));
    assert.deepEqual(withoutTime(await again.volumeAt(volume.location)), withoutTime(volume));
    assert.deepEqual(withoutTime(await again.operation("1")), withoutTime(operation));
    assert.ok((await again.volume("v"))?.updated instanceof Date);
  });

  it("knows nothing of what was never written", async () => {
    const { ledger } = of();
    assert.equal(await ledger.volume("v"), undefined);
    assert.equal(await ledger.volumeAt("/a"), undefined);
    assert.equal(await ledger.operation("1"), undefined);
    assert.deepEqual([await ledger.volumes(), await ledger.unfinished()], [[], []]);
  });

  it("follows an operation from step to step, and keeps what was asked for", async () => {
    const { ledger } = of();
    const begun = operationNamed(ledger, "1");
    await write(ledger, begun);
    const advanced = { ...begun, phase: "finishing", step: 2, facts: { a: 1 } } as const;
    await write(ledger, { ...advanced, problem: "slow", input: {}, created: new Date(5000) });
    const { input, created } = begun;
    assert.deepEqual(
      withoutTime(await ledger.operation("1")),
      withoutTime({ ...advanced, problem: "slow", input, created }),
    );
    await write(ledger, { ...advanced, problem: undefined });
    assert.equal((await ledger.operation("1"))?.problem, undefined);
  });
}

function promisesOfAtomicity(of: () => Scene): void {
  it("writes an operation and its changes all or not at all", async () => {
    const { ledger } = of();
    await write(ledger, operationNamed(ledger, "1"), [put(volumeNamed(ledger, "v", "/a"))]);
    const changes = [
      { type: "remove", id: "v" } as const,
      put(volumeNamed(ledger, "w", "/b")),
      put(volumeNamed(ledger, "x", "/b")),
    ];
    await rejectsWith("exists", write(ledger, operationNamed(ledger, "2"), changes));
    assert.deepEqual(await idsOf(ledger.volumes()), ["v"]);
    assert.equal(await ledger.operation("2"), undefined);
  });

  it("has one volume at a place, which others may take once it is gone", async () => {
    const { ledger } = of();
    const volume = volumeNamed(ledger, "v", "/a");
    await write(ledger, operationNamed(ledger, "1"), [put(volume)]);
    await write(ledger, operationNamed(ledger, "1"), [put({ ...volume, state: "ready" })]);
    const message = await rejectsWith(
      "exists",
      write(ledger, operationNamed(ledger, "2"), [put(volumeNamed(ledger, "w", "/a"))]),
    );
    assert.match(message, /\bv\b.*ready/);
    await write(ledger, operationNamed(ledger, "1"), [put({ ...volume, location: "/b" })]);
    await write(ledger, operationNamed(ledger, "2"), [put(volumeNamed(ledger, "w", "/a"))]);
    await write(ledger, operationNamed(ledger, "3"), [
      { type: "remove", id: "w" },
      put(volumeNamed(ledger, "x", "/a")),
    ]);
    assert.equal((await ledger.volumeAt("/a"))?.id, "x");
    assert.equal((await ledger.volumeAt("/b"))?.id, "v");
  });

  it("lets one of many have a place that they want at the same time", async () => {
    const { ledger, open } = of();
    const openings = [ledger, await open(), await open()];
    const answers = await Promise.allSettled(
      Array.from({ length: 9 }, (_, n) => {
        const one = openings[n % openings.length] ?? ledger;
        const operation = operationNamed(one, `o${n}`, { volumeId: `v${n}` });
        return write(one, operation, [put(volumeNamed(one, `v${n}`, "/a"))]);
      }),
    );
    const failed = answers.flatMap((answer) => (answer.status === "rejected" ? [answer] : []));
    assert.deepEqual(
      failed.map(({ reason }) => (reason as { readonly code?: string }).code),
      Array.from({ length: 8 }, () => "exists"),
    );
    assert.equal((await ledger.volumes()).length, 1);
    assert.equal((await ledger.unfinished()).length, 1);
  });
}

function promisesOfLists(of: () => Scene): void {
  it("lists volumes in the order of their creation, by what is asked for", async () => {
    const { ledger } = of();
    await write(ledger, operationNamed(ledger, "1"), [
      put(volumeNamed(ledger, "late", "/c", { created: new Date(3000) })),
      put(volumeNamed(ledger, "b", "/b", { project: "other", parentId: "late" })),
      put(volumeNamed(ledger, "a", "/d", { kind: "disk", keyId: key })),
      put(volumeNamed(ledger, "B", "/e", { project: "other", keyId: key })),
    ]);
    const ids = (filter?: Parameters<typeof ledger.volumes>[0]) => idsOf(ledger.volumes(filter));
    assert.deepEqual(await ids(), ["B", "a", "b", "late"]);
    assert.deepEqual(await ids({}), await ids());
    assert.deepEqual(await ids({ project: "other" }), ["B", "b"]);
    assert.deepEqual(await ids({ parentId: "late" }), ["b"]);
    assert.deepEqual(await ids({ kind: "disk" }), ["a"]);
    assert.deepEqual(await ids({ keyId: key }), ["B", "a"]);
    assert.deepEqual(await ids({ keyId: key, project: "other" }), ["B"]);
    assert.deepEqual(await ids({ host: ledger.host, kind: "disk" }), ["a"]);
    assert.deepEqual(await ids({ host: "elsewhere" }), []);
  });

  it("lists the operations that are neither done nor undone, oldest first", async () => {
    const { ledger } = of();
    const phases = ["preparing", "finishing", "undoing", "done", "undone"] as const;
    for (const [n, phase] of phases.entries()) {
      const created = new Date(9000 - n);
      const volumeId = n === 0 ? "w" : "v";
      await write(ledger, operationNamed(ledger, `o${n}`, { phase, created, volumeId }));
    }
    assert.deepEqual(await idsOf(ledger.unfinished()), ["o2", "o1", "o0"]);
    assert.deepEqual(await idsOf(ledger.unfinished("w")), ["o0"]);
    assert.deepEqual(await idsOf(ledger.unfinished("x")), []);
  });
}

function promisesOfQuarantine(of: () => Scene): void {
  it("remembers since when nobody needs a key, until it is released", async () => {
    const { ledger, open } = of();
    const [first, later] = [new Date(1_000_000), new Date(2_000_000)];
    const second = objectId("00000000-0000-4000-8000-000000000000");
    assert.deepEqual(await ledger.quarantineKey(key, first), first);
    assert.deepEqual(await (await open()).quarantineKey(key, later), first);
    assert.deepEqual(await ledger.quarantineKey(second, later), later);
    assert.deepEqual(await ledger.quarantinedKeys(), [key, second]);
    await ledger.releaseKey(key);
    await ledger.releaseKey(key);
    assert.deepEqual(await ledger.quarantinedKeys(), [second]);
    assert.deepEqual(await ledger.quarantineKey(key, later), later);
  });
}

/** When a record was last written is the ledger's own business. */
function withoutTime(record: VolumeRecord | OperationRecord | undefined): object | undefined {
  if (record === undefined) return undefined;
  const { updated: _, ...rest } = record;
  return rest;
}
