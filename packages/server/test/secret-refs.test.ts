/** What a container's members are named by, after a server moved or under its second address. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { base, type Harness, idOf, startHarness } from "./support/harness.ts";

const [former, internal] = ["https://former.test/key-manager", "http://10.0.0.5:9311"];

async function scene(t: TestContext) {
  const { ask } = await startHarness(t, { acceptedAddresses: [`${former}/`, internal] });
  const made = await ask("POST", "/v1/secrets", { body: {} });
  const container = await ask("POST", "/v1/containers", { body: { type: "generic" } });
  const path = `/v1/containers/${idOf(container.json["container_ref"])}/secrets`;
  return { ask, id: idOf(made.json["secret_ref"]), path };
}

/** The statuses of each way to name a secret in a body: a new container, one more member, one less. */
async function statuses(
  ask: Harness["ask"],
  path: string,
  secret_ref: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly number[]> {
  const answers = [
    await ask("POST", "/v1/containers", {
      headers,
      body: { type: "generic", secret_refs: [{ secret_ref }] },
    }),
    await ask("POST", path, { headers, body: { secret_ref } }),
    await ask("DELETE", path, { headers, body: { secret_ref } }),
  ];
  return answers.map(({ status }) => status);
}

describe("the ref of a secret in a body", () => {
  it("is accepted under the public address, a configured one, and as the bare id, on every route", async (t) => {
    const { ask, id, path } = await scene(t);
    for (const ref of [
      id,
      `${base}/v1/secrets/${id}`,
      `${base}//v1/secrets/${id}`,
      `${former}/v1/secrets/${id}`,
      `${internal}/v1/secrets/${id}`,
      `HTTPS://Former.test:443/key-manager/v1/secrets/${id}`,
    ])
      assert.deepEqual(await statuses(ask, path, ref), [201, 201, 204], ref);
  });

  it("is refused under any other address, on every route, whatever the Host header says", async (t) => {
    const { ask, id, path } = await scene(t);
    for (const address of [
      "http://evil.test",
      "https://former.test",
      "https://former.test/key-managers",
      "http://former.test/key-manager",
      `${base}.evil.test`,
      "http://keys.test:9311@evil.test",
      "http://10.0.0.5",
      "//keys.test:9311",
      "",
    ])
      for (const host of [undefined, "evil.test"])
        assert.deepEqual(
          await statuses(ask, path, `${address}/v1/secrets/${id}`, host ? { host } : {}),
          [400, 400, 400],
          `${address} ${host}`,
        );
    for (const ref of [`x${id}`, `secrets/${id}`, `${base}/v1/secrets/${id}?a`])
      assert.deepEqual(await statuses(ask, path, ref), [400, 400, 400], ref);
  });

  it("is not found under an accepted address where it names no secret, on every route", async (t) => {
    const { ask, id, path } = await scene(t);
    const other = "00000000-0000-4000-8000-000000000000";
    for (const ref of [
      `${base}/v1/secrets/${id}/`,
      `${base}/v1/secrets/`,
      `${base}/v1/secrets/x`,
      `${base}/v1/containers/${id}`,
      `${base}/${id}`,
      `${former}/v1/secrets/${other}`,
      other,
    ])
      assert.deepEqual(await statuses(ask, path, ref), [404, 404, 404], ref);
  });

  it("is an invalid id in another form, as in a path: 404, with the form that ids have, on every route", async (t) => {
    const { ask, id, path } = await scene(t);
    for (const form of [id.toUpperCase(), id.replaceAll("-", ""), `{${id}}`, `urn:uuid:${id}`]) {
      const answers = [await ask("GET", `/v1/secrets/${encodeURIComponent(form)}`)];
      for (const secret_ref of [form, `${base}/v1/secrets/${encodeURIComponent(form)}`]) {
        const body = { type: "generic", secret_refs: [{ secret_ref }] };
        answers.push(
          await ask("POST", "/v1/containers", { body }),
          await ask("POST", path, { body: { secret_ref } }),
          await ask("DELETE", path, { body: { secret_ref } }),
        );
      }
      for (const { status, json } of answers) {
        assert.equal(status, 404, form);
        assert.match(
          String(json["description"]),
          /Provided secret id is invalid: .* UUIDs in lower case, with dashes\.$/,
        );
      }
    }
  });

  it("says in the refusal what to do", async (t) => {
    const { ask, id, path } = await scene(t);
    const { text } = await ask("POST", path, {
      body: { secret_ref: `http://old/v1/secrets/${id}` },
    });
    assert.match(text, /send the id, or have the address added to acceptedAddresses/);
  });
});
