import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Ledger } from "../model/ledger.ts";
import { promisesOfLocking } from "./locking.ts";
import { promisesOfRecords } from "./records.ts";
import {
  type LedgerSetting,
  operationNamed,
  put,
  rejectsWith,
  type Scene,
  volumeNamed,
  write,
} from "./scene.ts";

/**
 * What every ledger promises, as a suite for `node --test`.
 *
 * @param make a new and empty ledger for each test
 */
export function keepsTheLedgerPromises(name: string, make: () => Promise<LedgerSetting>): void {
  describe(`${name} keeps the ledger's promises`, () => {
    let scene: Scene | undefined;
    const opened: Ledger[] = [];

    beforeEach(async () => {
      const setting = await make();
      const open = async () => {
        const ledger = await setting.open();
        opened.push(ledger);
        return ledger;
      };
      scene = { setting, open, ledger: await open() };
    });
    afterEach(async () => {
      for (const ledger of opened.splice(0)) await ledger.close().catch(() => undefined);
      await scene?.setting.remove();
    });

    const of = () => scene as Scene;
    promisesOfRecords(of);
    promisesOfLocking(of);
    promisesOfTheSchema(of);
  });
}

function promisesOfTheSchema(of: () => Scene): void {
  it("is made once, whoever opens it first", async () => {
    const { open, ledger } = of();
    const others = await Promise.all([open(), open(), open()]);
    await write(ledger, operationNamed(ledger, "1"), [put(volumeNamed(ledger, "v", "/a"))]);
    for (const other of others) assert.equal((await other.volume("v"))?.location, "/a");
  });

  for (const [what, sql] of [
    [
      "made by a newer version",
      "UPDATE migrations SET number = 9999 WHERE number = (SELECT max(number) FROM migrations)",
    ],
    ["with another schema of the same number", "UPDATE migrations SET checksum = 'x'"],
  ] as const) {
    it(`is refused when it was ${what}, and stays as it is`, async () => {
      const { setting, ledger } = of();
      await write(ledger, operationNamed(ledger, "1"), [put(volumeNamed(ledger, "v", "/a"))]);
      await setting.tamper(sql);
      await rejectsWith("newer_ledger", setting.open());
      await rejectsWith("newer_ledger", setting.open());
      assert.equal((await ledger.volume("v"))?.location, "/a");
    });
  }

  it("says no more once it is closed", async () => {
    const { ledger } = of();
    await ledger.close();
    await assert.rejects(ledger.volumes(), { name: "VolumeError" });
    await assert.rejects(ledger.lock("v"), { name: "VolumeError" });
  });
}
