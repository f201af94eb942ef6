/** What an attacker gets where two parts of a server read one request target differently. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { login, startBuiltinHarness } from "./support/builtin-harness.ts";
import { idOf } from "./support/harness.ts";
import { raw } from "./support/raw-request.ts";

const secretBody = { payload: "the payload", payload_content_type: "text/plain" };

/** A secret, and a token that may look at the metadata of secrets and at nothing else. */
async function metadataOnly(t: TestContext) {
  const harness = await startBuiltinHarness(t);
  const { ask } = harness;
  const issue = async (body: object) =>
    String(
      (await ask("POST", "/v3/auth/tokens", { body, token: null })).headers["x-subject-token"],
    );
  const token = await issue(login("secret"));
  const made = await ask("POST", "/v1/secrets", { body: secretBody, token });
  const id = idOf(made.json["secret_ref"]);
  const shown = await ask("GET", "/v3/auth/tokens", {
    token,
    headers: { "x-subject-token": token },
  });
  const user = (shown.json["token"] as { user: { id: string } }).user.id;
  const credential = await ask("POST", `/v3/users/${user}/application_credentials`, {
    token,
    body: {
      application_credential: {
        name: "metadata",
        secret: "s",
        access_rules: [
          { service: "key-manager", method: "GET", path: "/v1/secrets/*/metadata" },
          { service: "key-manager", method: "GET", path: "/v1/orders/**" },
        ],
      },
    },
  });
  const { id: credentialId } = credential.json["application_credential"] as { id: string };
  const bound = await issue({
    auth: {
      identity: {
        methods: ["application_credential"],
        application_credential: { id: credentialId, secret: "s" },
      },
    },
  });
  return { harness, id, bound };
}

describe("an application credential for metadata alone", () => {
  it("does not read a payload by a rule for metadata", async (t) => {
    const { harness, id, bound } = await metadataOnly(t);
    const headers = { "x-auth-token": bound, accept: "text/plain" };
    const allowed = await raw(harness, `GET /v1/secrets/${id}/metadata`, {
      "x-auth-token": bound,
    });
    assert.equal(allowed.status, 200, allowed.body);
    for (const target of [
      `/v1/secrets/${id}#/metadata`,
      `/v1/secrets/${id}/payload#/metadata`,
      `/v1/secrets/${id}?#/metadata`,
      `/v1/secrets/${id};/metadata`,
      `/v1/secrets/${id};x=/metadata`,
      `/v1/secrets/${id}\\/metadata`,
      `/v1/secrets/${id}%2Fmetadata`,
      `/v1/secrets/${id}/payload%23/metadata`,
      `/v1/secrets/${id}/payload%3F/metadata`,
      `/v1/secrets/${id}/metadata/..`,
      `/v1/secrets/${id}/metadata/../payload`,
      `/v1/secrets/${id}/metadata/%2e%2e/payload`,
      `/v1/secrets/${id}/metadata/%2E.`,
      `/v1/orders/../secrets/${id}`,
      `/v1/orders/%2e%2e/secrets/${id}`,
      `/v1/orders/%2e%2e%2fsecrets%2f${id}`,
      `/v1/orders/..%5csecrets%5c${id}`,
      `http://keys.test/v1/secrets/${id}#/metadata`,
      `http://x/v1/orders/?/../../v1/secrets/${id}`,
      `//v1/secrets/${id}//payload`,
      `//keys.test/v1/secrets/${id}/metadata`,
      `/v1/secrets/${id}`,
      `/v1/secrets/${id}/`,
      `/v1/secrets/${id}/payload`,
    ]) {
      const { status, body } = await raw(harness, `GET ${target}`, headers);
      assert.ok(status >= 400, `${target}: ${status}`);
      assert.doesNotMatch(body, /the payload/, target);
    }
  });

  it("cannot make the server compare long paths with its rules", async (t) => {
    const { harness, bound } = await metadataOnly(t);
    const path = `/v1/secrets/${"a/".repeat(2_000)}`;
    const { status } = await raw(harness, `GET ${path}`, { "x-auth-token": bound });
    assert.equal(status, 414);
    const deep = `/v1/${"a/".repeat(50)}`;
    assert.equal((await raw(harness, `GET ${deep}`, { "x-auth-token": bound })).status, 400);
  });
});

describe("an absolute-form target", () => {
  it("is answered as the path in it, for every API", async (t) => {
    const harness = await startBuiltinHarness(t);
    assert.equal((await raw(harness, "GET http://proxy.test/v3")).status, 200);
    assert.equal((await raw(harness, "GET http://proxy.test/healthcheck")).status, 200);
    assert.equal((await raw(harness, "GET http://proxy.test/v1/secrets")).status, 401);
    const { id, bound, harness: own } = await metadataOnly(t);
    const headers = { "x-auth-token": bound };
    const path = `http://proxy.test/v1/secrets/${id}`;
    assert.equal((await raw(own, `GET ${path}/metadata`, headers)).status, 200);
    assert.equal((await raw(own, `GET ${path}`, headers)).status, 401);
  });
});
