import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { violations } from "./check-layers.mjs";

const importing = (path, specifier) =>
  violations(new Map([[path, `import { x } from "${specifier}";`]]));

describe("the layer check", () => {
  it("refuses an import of a package that may not be imported", () => {
    const found = importing("packages/luks/src/header/a.ts", "@chatelaine/keys");
    assert.match(found.join(), /luks may import none of ours/);
  });
  it("refuses an adapter of keys where only the interface may be imported", () => {
    assert.match(
      importing("packages/volumes/src/disk/a.ts", "@chatelaine/keys").join(),
      /volumes may import @chatelaine\/keys\/interface/,
    );
    assert.match(
      importing("packages/server/src/model/a.ts", "@chatelaine/keys/barbican").join(),
      /server may import @chatelaine\/keys\/interface/,
    );
    assert.deepEqual(importing("packages/volumes/src/disk/a.ts", "@chatelaine/keys/interface"), []);
  });
  it("refuses an import of another package's files", () => {
    const found = importing("packages/volumes/src/disk/a.ts", "../../../luks/src/errors.ts");
    assert.match(found.join(), /outside its package/);
  });
  it("refuses an import from a floor above", () => {
    const found = importing("packages/volumes/src/engine/a.ts", "../operations/b.ts");
    assert.match(found.join(), /operations is above engine/);
  });
  it("refuses an import from the folder beside it", () => {
    const found = importing("packages/volumes/src/bulk/a.ts", "../present/b.ts");
    assert.match(found.join(), /bulk and present stand side by side/);
  });
  it("refuses an import of the package's own index", () => {
    const found = importing("packages/luks/src/image/a.ts", "../index.ts");
    assert.match(found.join(), /index.ts is above image/);
  });
  it("puts a subfolder with its folder, unless it has a floor of its own", () => {
    assert.deepEqual(importing("packages/server/src/identity/builtin/a.ts", "../b.ts"), []);
    const found = importing("packages/server/src/audit/chain/a.ts", "../b.ts");
    assert.match(found.join(), /audit is above audit\/chain/);
  });
  it("refuses a file that is on no floor", () => {
    const found = violations(new Map([["packages/luks/src/utils/a.ts", ""]]));
    assert.match(found.join(), /is on no floor/);
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
        ["packages/keys/src/model/a.ts", 'import { b } from "./b.ts";'],
        ["packages/keys/src/model/b.ts", 'export { a } from "./a.ts";'],
      ]),
    );
    assert.match(found[0] ?? "", /import cycle/);
  });
  it("refuses a slot of the root key outside the start and the maintenance", () => {
    for (const slots of ["slots.ts", "slots/file.ts"])
      assert.match(
        violations(
          new Map([
            [
              "packages/server/src/keyring/a.ts",
              `import { x } from "../crypto/root-key/${slots}";`,
            ],
          ]),
        )[0] ?? "",
        /how the root key is opened/,
      );
  });
  it("refuses a second door to the environment", () => {
    assert.equal(
      violations(new Map([["packages/keys/src/model/a.ts", "process.env.HOME"]])).length,
      1,
    );
  });
  it("accepts what points down", () => {
    const found = violations(
      new Map([["packages/volumes/src/disk/a.ts", 'import { x } from "@chatelaine/luks";']]),
    );
    assert.deepEqual(found, []);
  });
});
