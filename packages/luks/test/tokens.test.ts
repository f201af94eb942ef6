import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { chatelaineToken, parseChatelaineToken } from "../src/format/chatelaine-token.ts";
import { readLuks } from "../src/header/read.ts";
import { addToken, listTokens, removeToken } from "../src/header/tokens.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { blankFile, luksError, mebibyte, passphrase } from "./scratch.ts";

const key = passphrase("0123456789abcdef");

describe("tokens", () => {
  let path = "";
  beforeEach(async () => {
    path = blankFile(2 * mebibyte);
    const keyslots = [{ passphrase: key, entropyBits: 128 }];
    await formatLuks2(path, { keyslots, dataOffset: mebibyte });
  });

  it("are added under the lowest free number, listed and removed", async () => {
    const token = { type: "mine", keyslots: ["0"], note: { deep: [1, null, "ü"] } };
    assert.equal(await addToken(path, token), 0);
    assert.equal(await addToken(path, { type: "other", keyslots: [] }), 1);
    await removeToken(path, 0);
    assert.equal(await addToken(path, token), 0);
    assert.deepEqual(await listTokens(path), [
      { id: 0, token },
      { id: 1, token: { type: "other", keyslots: [] } },
    ]);
    assert.equal((await readLuks(path)).sequence, 5);
    assert.equal(await testPassphrase(path, key), 0);
  });

  it("name key slots that exist", async () => {
    await assert.rejects(addToken(path, { type: "x", keyslots: ["3"] }), luksError("no_such_slot"));
    await assert.rejects(removeToken(path, 0), luksError("no_such_token"));
  });

  it("stop at 32, and at the end of the JSON area", async () => {
    const long = { type: "x", keyslots: [], text: "x".repeat(12_000) };
    await assert.rejects(addToken(path, long), luksError("no_space"));
    for (let i = 0; i < 32; i++) await addToken(path, { type: "x", keyslots: [] });
    await assert.rejects(addToken(path, { type: "x", keyslots: [] }), luksError("no_space"));
    assert.equal(await testPassphrase(path, key), 0);
  });
});

describe("the chatelaine token", () => {
  it("takes an id and no URL", () => {
    const created = new Date(0);
    for (const object of ["https://barbican/v1/secrets/1", "", "a b", "x".repeat(256)]) {
      assert.throws(
        () => chatelaineToken({ keyslots: [0], object, created }),
        luksError("invalid_argument"),
      );
    }
  });

  it("is read back, and nothing else is taken for one", () => {
    const token = { keyslots: [0, 3], object: "8c2b-1", created: new Date(1000) };
    assert.deepEqual(parseChatelaineToken(chatelaineToken(token)), token);
    for (const change of [{ type: "x" }, { object: 5 }, { object: "a/b" }, { created: "never" }]) {
      assert.equal(parseChatelaineToken({ ...chatelaineToken(token), ...change }), undefined);
    }
  });
});
