import assert from "node:assert/strict";
import { it } from "node:test";
import { beginElsewhere } from "./other-process.ts";
import {
  idsOf,
  operationNamed,
  put,
  rejectsWith,
  type Scene,
  theOnly,
  volumeNamed,
} from "./scene.ts";

export function promisesOfLocking(of: () => Scene): void {
  promisesOfExclusion(of);
  promisesOfFencing(of);
  promisesOfTakingOver(of);
}

function promisesOfExclusion(of: () => Scene): void {
  it("lets one at a time work on a volume, in one process and in several", async () => {
    const { ledger, open } = of();
    const other = await open();
    const lock = await ledger.lock("v");
    assert.equal(lock.lost.aborted, false);
    await rejectsWith("busy", ledger.lock("v"));
    await rejectsWith("busy", other.lock("v"));
    await (await other.lock("w")).release();
    await lock.release();
    const next = await other.lock("v");
    await lock.release();
    await rejectsWith("busy", ledger.lock("v"));
    await next.release();
    await (await ledger.lock("v")).release();
  });

  it("gives a lock to one of many that want it at the same time", async () => {
    const { ledger, open } = of();
    const openings = [ledger, await open(), await open()];
    for (let round = 0; round < 5; round++) {
      const asked = Array.from(
        { length: 12 },
        (_, n) => openings[n % 3]?.lock("v") ?? assert.fail(),
      );
      await theOnly(await Promise.allSettled(asked)).release();
    }
  });
}

function promisesOfFencing(of: () => Scene): void {
  it("takes no write from whoever has no lock, or has it no more", async () => {
    const { ledger, open } = of();
    const other = await open();
    const begun = operationNamed(ledger, "1");
    const change = [put(volumeNamed(ledger, "v", "/a"))];
    await rejectsWith("busy", ledger.write(begun, change));
    const lock = await ledger.lock("v");
    await rejectsWith("busy", other.write(begun, change));
    await rejectsWith("busy", ledger.write({ ...begun, volumeId: "w" }, change));
    await ledger.write(begun);
    await lock.release();
    await rejectsWith("busy", ledger.write({ ...begun, phase: "done" }, change));
    const next = await other.lock("v");
    await rejectsWith("busy", ledger.write({ ...begun, phase: "done" }, change));
    await next.release();
    assert.deepEqual(await idsOf(ledger.unfinished()), ["1"]);
    assert.deepEqual(await ledger.volumes(), []);
  });
}

function promisesOfTakingOver(of: () => Scene): void {
  it("takes a lock over from a process that was killed, but not before", async () => {
    const { setting, ledger } = of();
    const holder = await beginElsewhere(
      setting,
      `await ledger.lock("v"); await ledger.lock("w"); say("locked");`,
    );
    assert.match(
      await rejectsWith("busy", ledger.lock("v")),
      new RegExp(`process ${holder.pid}\\b`),
    );
    await holder.kill();
    const lock = await ledger.lock("v");
    await ledger.write(operationNamed(ledger, "1"));
    await rejectsWith("busy", ledger.lock("v"));
    await lock.release();
    await (await ledger.lock("w")).release();
  });

  it("takes a dead one's lock over once, however many want it", async () => {
    const { setting, ledger, open } = of();
    const openings = [ledger, await open(), await open()];
    const holder = await beginElsewhere(setting, `await ledger.lock("v"); say("locked");`);
    await holder.kill();
    const asked = Array.from({ length: 12 }, (_, n) => openings[n % 3]?.lock("v") ?? assert.fail());
    await theOnly(await Promise.allSettled(asked)).release();
  });

  it("has kept what it acknowledged to a process that was killed the moment after", async () => {
    const { setting, ledger } = of();
    const written = operationNamed(ledger, "1");
    const volume = volumeNamed(ledger, "v", "/a");
    const holder = await beginElsewhere(
      setting,
      `const [written, volume] = JSON.parse(${JSON.stringify(JSON.stringify([written, volume]))});
      const dated = (record) => ({ ...record, created: new Date(record.created), updated: new Date() });
      await ledger.lock("v");
      await ledger.write(dated(written), [{ type: "put", volume: dated(volume) }]);
      process.kill(process.pid, "SIGKILL");`,
    );
    await holder.ended;
    assert.deepEqual(await idsOf(ledger.unfinished()), ["1"]);
    assert.equal((await ledger.volumeAt("/a"))?.id, "v");
    await (await ledger.lock("v")).release();
  });
}
