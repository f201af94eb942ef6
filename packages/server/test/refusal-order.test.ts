import assert from "node:assert/strict";
import { it } from "node:test";
import { idOf, startHarness } from "./support/harness.ts";

it("refuses a caller without the role before it reads the query of a list", async (t) => {
  const { ask } = await startHarness(t);
  const long = "x".repeat(300);
  for (const path of [
    `containers?type=${long}`,
    `orders?meta=${long}`,
    `secrets?secret_type=${long}`,
  ]) {
    assert.equal((await ask("GET", `/v1/${path}`, { token: "a/p/nobody" })).status, 403, path);
    assert.equal((await ask("GET", `/v1/${path}`, { token: "a/p/member" })).status, 400, path);
  }
});

it("refuses a wrong content type before it looks at the type of a container", async (t) => {
  const { ask } = await startHarness(t);
  const made = await ask("POST", "/v1/containers", { body: { type: "certificate" } });
  const path = `/v1/containers/${idOf(made.json["container_ref"])}/secrets`;
  const text = { headers: { "content-type": "text/plain" }, body: "x" };
  assert.equal((await ask("POST", path, text)).status, 415);
  assert.equal((await ask("POST", path, { body: {} })).status, 400);
});
