import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { violations } from "./check-layers.mjs";

describe("the layer check", () => {
  it("refuses an import that points up or sideways", () => {
    const found = violations(
      new Map([["packages/luks/src/a.ts", 'import { x } from "@chatelaine/keys";']]),
    );
    assert.equal(found.length, 1);
  });
  it("refuses a route that reaches the store", () => {
    const found = violations(
      new Map([["packages/server/src/routes/a.ts", 'import { x } from "../store/store.ts";']]),
    );
    assert.match(found[0] ?? "", /a route never sees the store/);
  });
  it("refuses an import cycle", () => {
    const found = violations(
      new Map([
        ["packages/keys/src/a.ts", 'import { b } from "./b.ts";'],
        ["packages/keys/src/b.ts", 'export { a } from "./a.ts";'],
      ]),
    );
    assert.match(found[0] ?? "", /import cycle/);
  });
  it("refuses a second door to the environment", () => {
    assert.equal(violations(new Map([["packages/keys/src/a.ts", "process.env.HOME"]])).length, 1);
  });
  it("accepts what points down", () => {
    const found = violations(
      new Map([["packages/volumes/src/a.ts", 'import { x } from "@chatelaine/luks";']]),
    );
    assert.deepEqual(found, []);
  });
});
