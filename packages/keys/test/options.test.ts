import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { refuseUnknownOptions, suggestion } from "../src/index.ts";
import { refuses } from "./refuses.ts";

describe("options", () => {
  it("names the likely right spelling of a wrong one", async () => {
    await refuses(
      () => refuseUnknownOptions("barbican", { timeoutms: 1 }, ["timeoutMs", "retries"]),
      "invalid_argument",
      /^barbican: unknown option "timeoutms": did you mean "timeoutMs"\?$/,
    );
  });

  it("lists them all if none is near", () => {
    assert.equal(suggestion("colour", ["retries", "fetch"]), ": it is one of retries, fetch");
  });

  it("accepts those that it knows, and none at all", () => {
    refuseUnknownOptions("x", { a: 1 }, ["a", "b"]);
    refuseUnknownOptions("x", {}, []);
  });

  it("knows one letter too many, too few, wrong, or swapped", () => {
    for (const wrong of ["endpoin", "endpointt", "endpoimt", "endponit", "ENDPOINT"]) {
      assert.equal(suggestion(wrong, ["region", "endpoint"]), ': did you mean "endpoint"?');
    }
  });
});
