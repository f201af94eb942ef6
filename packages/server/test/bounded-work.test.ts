/** One request, by its lengths: what it may make the server compare. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { apiDocument } from "../src/http/api-document.ts";
import { barbicanPageSizes, Query } from "../src/routes/query.ts";
import { parsePattern } from "../src/routes/secret-query.ts";
import { startHarness } from "./support/harness.ts";

const meta = { algorithm: "aes", bit_length: 256, mode: "cbc" };

describe("one request", () => {
  it("cannot stop the server for a minute by a search through its orders", async (t) => {
    const { ask } = await startHarness(t);
    const long = { type: "key", meta: { ...meta, x: "a".repeat(20_000) } };
    assert.equal((await ask("POST", "/v1/orders", { body: long })).status, 400);
    const fitting = { type: "key", meta: { ...meta, x: "a".repeat(3_000) } };
    assert.equal((await ask("POST", "/v1/orders", { body: fitting })).status, 202);
    const token = `${"a".repeat(10_000)}b`;
    assert.equal((await ask("GET", `/v1/orders?meta=${token}`)).status, 400);
    assert.equal((await ask("GET", `/v1/orders?meta=${"a".repeat(255)}`)).json["total"], 0);
    for (const [asked, total] of [
      ["aes", 1],
      ["AES", 1],
      ["ae", 0],
      ["a%25", 0],
      ["a_s", 0],
      ["cbc", 1],
      ["a!s", 0],
      ["%22", 0],
    ] as const)
      assert.equal((await ask("GET", `/v1/orders?meta=${asked}`)).json["total"], total, asked);
  });

  it("cannot compare every name with a pattern of any length", async (t) => {
    const { ask } = await startHarness(t);
    await ask("POST", "/v1/secrets", { body: { name: "a name_with % in it" } });
    const refused = [`%${"a".repeat(127)}b`, "%a".repeat(5), "a".repeat(256), `${"_".repeat(64)}%`];
    for (const list of ["secrets", "containers"])
      for (const pattern of refused) {
        const path = `/v1/${list}?name=${encodeURIComponent(pattern)}`;
        assert.equal((await ask("GET", path)).status, 400, path);
      }
    for (const column of ["alg", "mode", "secret_type"])
      assert.equal((await ask("GET", `/v1/secrets?${column}=${"x".repeat(300)}`)).status, 400);
    for (const pattern of [
      "a name%25",
      "%25%25%25%25%25it",
      "%25_with%25",
      "a_name_with _ in it",
    ]) {
      const answer = await ask("GET", `/v1/secrets?name=${pattern}`);
      assert.equal(answer.json["total"], 1, pattern);
    }
    const query = new Query("name=%25%25%25a%25%25", barbicanPageSizes);
    assert.equal(parsePattern(query, "name"), "%a%");
  });

  it("cannot have the whole API document rendered again and again", async () => {
    let filtered = 0;
    const text = apiDocument({
      url: () => "http://keys.test",
      served: () => {
        filtered += 1;
        return true;
      },
    });
    const first = await text();
    const once = filtered;
    assert.equal(await text(), first);
    assert.equal(filtered, once);
  });

  it("does not stop the server while the API document is read for the first time", async () => {
    const text = apiDocument({ url: () => "http://keys.test", served: () => true })();
    let turns = 0;
    const turn = () => {
      turns += 1;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    await text.finally(() => clearImmediate(next));
    assert.match(await text, /"openapi":"3/);
    // The event loop went on while it was read; parsed here, it would have turned a few times in all.
    assert.ok(turns > 50, `${turns} turns`);
  });
});
