import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  BarbicanKeyManager,
  backendNames,
  FixedKeyManager,
  fixedKeyId,
  grantsAccess,
  MemoryKeyManager,
  openKeyManager,
  tracksConsumers,
} from "../src/index.ts";
import { refuses } from "./refuses.ts";

const warn = () => {};
const alice = { type: "project", projectId: "a", userId: "alice" } as const;

describe("openKeyManager", () => {
  it("opens Barbican unless told otherwise", () => {
    assert.ok(openKeyManager() instanceof BarbicanKeyManager);
    assert.ok(
      openKeyManager({ barbican: { endpoint: "http://b:9311" } }) instanceof BarbicanKeyManager,
    );
  });

  it("opens the backend that one word names", () => {
    assert.deepEqual(backendNames, ["barbican", "fixed", "memory"]);
    assert.ok(openKeyManager({ backend: "memory", memory: { warn } }) instanceof MemoryKeyManager);
    const fixed = { key: "ab".repeat(32), warn };
    assert.ok(openKeyManager({ backend: "fixed", fixed }) instanceof FixedKeyManager);
  });

  it("takes a backend of the user's own as it is", () => {
    const own = new MemoryKeyManager({ warn });
    assert.equal(openKeyManager({ backend: own }), own);
  });

  it("serves the fixed key beside any other backend", async () => {
    const both = openKeyManager({
      backend: "memory",
      memory: { warn },
      fixed: { key: "ab", warn },
    });
    assert.equal((await both.get(alice, fixedKeyId)).value.length, 1);
    assert.ok(tracksConsumers(both) && grantsAccess(both));
  });

  it("refuses the fixed backend without its key", async () => {
    await refuses(
      () => openKeyManager({ backend: "fixed" }),
      "invalid_argument",
      /needs fixed: \{ key/,
    );
  });

  for (const name of ["constructor", "__proto__", "toString", ""]) {
    it(`has no backend ${JSON.stringify(name)}`, async () => {
      await refuses(
        () => openKeyManager({ backend: name as never }),
        "invalid_argument",
        /unknown backend/,
      );
    });
  }

  for (const [label, barbican, message] of [
    [
      "an endpoint that is no URL",
      { endpoint: "barbican:9311" },
      /endpoint is not an http or https URL/,
    ],
    ["no time at all", { timeoutMs: 0 }, /timeoutMs must be a number of milliseconds from 1/],
    ["more time than timers have", { timeoutMs: 2 ** 31 }, /to 2147483647/],
    ["half a millisecond", { orderTimeoutMs: 0.5 }, /orderTimeoutMs/],
    ["fewer than no retries", { retries: -1 }, /retries must be/],
    [
      "an unknown microversion",
      { microversion: "1.3" },
      /microversion "1.3": did you mean "1.\d"\?/,
    ],
    ["an unknown interface", { interface: "publik" }, /did you mean "public"\?/],
  ] as const) {
    it(`refuses ${label}`, async () => {
      await refuses(
        () => openKeyManager({ barbican: barbican as never }),
        "invalid_argument",
        message,
      );
    });
  }
});
