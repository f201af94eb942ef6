import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { callControl, openControl } from "../src/maintenance/control.ts";
import { ServerError } from "../src/model/server-error.ts";
import { temporaryFolder } from "./support/harness.ts";

describe("the control socket", () => {
  it("reports the progress of a long command, and its result or its error with the code", async (t) => {
    const path = join(temporaryFolder(t), "control.sock");
    const control = await openControl(path, {
      short: async (word = "") => ({ word }),
      long: {
        async run(onProgress, word = "") {
          onProgress({ doneEntries: 1 });
          if (word === "bad") throw new ServerError("not_found", "long: it failed");
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
    await assert.rejects(callControl(path, "long", ["bad"], onProgress), {
      code: "not_found",
      message: "long: it failed",
    });
    await assert.rejects(callControl(path, "none", []), {
      code: "invalid_argument",
      message: "unknown command none",
    });
    await assert.rejects(callControl(path, "toString", []), /unknown command toString/);
  });

  it("answers nothing where no server runs", async (t) => {
    const path = join(temporaryFolder(t), "control.sock");
    assert.equal(await callControl(path, "short", []), undefined);
  });
});
