import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ControlError, callControl, openControl } from "../src/maintenance/control.ts";
import { temporaryFolder } from "./support/harness.ts";

describe("the control socket", () => {
  it("tells how far a long command is, and its result or error", async (t) => {
    const path = join(temporaryFolder(t), "control.sock");
    const control = await openControl(path, {
      short: async (word = "") => ({ word }),
      long: {
        async run(onProgress, word = "") {
          onProgress({ doneEntries: 1 });
          if (word === "bad") throw new ControlError("long: it failed");
          return { word };
        },
      },
    });
    t.after(() => control.close());
    const told: unknown[] = [];
    const onProgress = (progress: unknown) => told.push(progress);
    assert.deepEqual(await callControl(path, "short", ["a"], onProgress), {
      result: { word: "a" },
    });
    assert.deepEqual(told, []);
    assert.deepEqual(await callControl(path, "long", ["b"], onProgress), { result: { word: "b" } });
    assert.deepEqual(told, [{ doneEntries: 1 }]);
    await assert.rejects(callControl(path, "long", ["bad"], onProgress), /long: it failed/);
    await assert.rejects(callControl(path, "none", []), /unknown command none/);
    await assert.rejects(callControl(path, "toString", []), /unknown command toString/);
  });

  it("answers nothing where no server runs", async (t) => {
    const path = join(temporaryFolder(t), "control.sock");
    assert.equal(await callControl(path, "short", []), undefined);
  });
});
