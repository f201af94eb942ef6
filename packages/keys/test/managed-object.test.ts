import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { KeyManagerError, objectId } from "../src/index.ts";
import { refuses } from "./refuses.ts";

const id = "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f";

describe("objectId", () => {
  it("reads an id, and a reference that ends in one", () => {
    for (const text of [id, `https://x:9311/v1/secrets/${id}`, `/v1/orders/${id}/`, `${id}//`]) {
      assert.equal(objectId(text), id);
    }
  });

  it("refuses what is none, and says what it must be", async () => {
    for (const text of [
      "",
      "x",
      id.toUpperCase(),
      id.replaceAll("-", ""),
      `${id}x`,
      `${id}/payload`,
      `${id}?x`,
      `${id}\n`,
      "../orders",
      "%2e%2e",
    ]) {
      await refuses(() => objectId(text), "invalid_argument", /lower-case UUID/);
    }
    for (const nothing of [undefined, null, 7, {}]) {
      await refuses(() => objectId(nothing as never), "invalid_argument", /missing/);
    }
  });

  it("gives a UUID or a KeyManagerError, whatever it is given", (t) => {
    holds(
      t,
      fc.property(
        fc.oneof(
          fc.string(),
          fc.uuid(),
          fc.webUrl(),
          fc.uuid().map((u) => `x/${u}`),
        ),
        (text) => {
          try {
            assert.match(objectId(text), /^[0-9a-f-]{36}$/);
          } catch (error) {
            assert.ok(error instanceof KeyManagerError);
            assert.ok(error.message.length < 600);
          }
        },
      ),
    );
    holds(
      t,
      fc.property(fc.uuid(), fc.webUrl(), (uuid, url) => objectId(`${url}/${uuid}`) === uuid),
    );
  });
});
