/** AES keys of 512 bits: the two halves of AES-256-XTS, as Nova and Cinder order them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadServerConfig } from "../src/config/config.ts";
import { type Harness, idOf, startHarness } from "./support/harness.ts";

const ordered = async (ask: Harness["ask"], meta: object) => {
  const made = await ask("POST", "/v1/orders", { body: { type: "key", meta } });
  assert.equal(made.status, 202, made.text);
  return (await ask("GET", `/v1/orders/${idOf(made.json["order_ref"])}`)).json;
};
const configOf = (value?: string) =>
  loadServerConfig({ flags: { "--orders-aes512": value }, environment: {} });
const aes512 = { algorithm: "aes", bit_length: 512 };

describe("an order for an AES key of 512 bits", () => {
  it("gets one from any client, with a mode or without", async (t) => {
    const { ask } = await startHarness(t);
    // Castellan names none; the command-line client says cbc unless it is told another.
    for (const mode of [undefined, "", "xts", "XTS", "cbc"]) {
      const meta = { ...aes512, ...(mode !== undefined && { mode }) };
      const done = await ordered(ask, meta);
      assert.equal(done["status"], "ACTIVE", JSON.stringify(done));
      const path = `/v1/secrets/${idOf(done["secret_ref"])}`;
      const { json } = await ask("GET", path);
      assert.deepEqual([json["bit_length"], json["mode"]], [512, mode ?? null]);
      const accept = { headers: { accept: "application/octet-stream" } };
      assert.equal((await ask("GET", `${path}/payload`, accept)).bytes.length, 64);
    }
  });

  it("ends in a clean 400 where every volume is on RBD or NFS, unless it says xts", async (t) => {
    const { ask } = await startHarness(t, { aes512: "xts" });
    for (const mode of [undefined, "cbc"]) {
      const done = await ordered(ask, { ...aes512, ...(mode !== undefined && { mode }) });
      assert.deepEqual([done["status"], done["error_status_code"]], ["ERROR", "400"]);
      assert.match(String(done["error_reason"]), /not 512.*mode xts \(orders\.aes512\)/);
    }
    assert.equal((await ordered(ask, { ...aes512, mode: "xts" }))["status"], "ACTIVE");
    assert.equal((await ordered(ask, { algorithm: "aes", bit_length: 256 }))["status"], "ACTIVE");
  });

  it("is the only one beyond 256 bits that needs no mode", async (t) => {
    const { ask } = await startHarness(t);
    for (const [algorithm, bits] of [
      ["aes", 384],
      ["aes", 1024],
      ["des", 512],
    ] as const) {
      const done = await ordered(ask, { algorithm, bit_length: bits });
      assert.equal(done["status"], "ERROR", `${algorithm} ${bits}`);
    }
  });

  it("gets one by default, and the setting has two values", () => {
    assert.equal(configOf().text("orders.aes512"), "any");
    assert.equal(configOf("xts").text("orders.aes512"), "xts");
    assert.throws(() => configOf("none"), /orders\.aes512 must be/);
  });
});
