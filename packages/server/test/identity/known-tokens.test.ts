import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BuiltinScene, password } from "./builtin-scene.ts";

/** A scene that remembers tokens, and what its identity says of one, at once and when it may look. */
async function remembering() {
  const scene = await BuiltinScene.open({ tokenCacheSeconds: 60 });
  const { identity } = scene.service;
  const known = (token: string, serviceToken?: string) =>
    identity.known({ token, ...(serviceToken !== undefined && { serviceToken }) }, "req-1");
  const asked = (token: string) => identity.authenticate({ token }, "req-1");
  return { scene, known, asked };
}

describe("what identity says of a token at once", () => {
  it("is nothing before it was asked, and then what it said", async () => {
    const { scene, known, asked } = await remembering();
    const token = await scene.token("alice");
    await scene.service.identity.close();
    assert.equal(known(token), undefined);
    const principal = await asked(token);
    assert.deepEqual(known(token), principal);
    assert.equal(known(`${token}x`), undefined);
    assert.equal(known(""), undefined);
  });

  it("is nothing of one that expired, is revoked, or whose user is disabled", async () => {
    const { scene, known, asked } = await remembering();
    const [revoked, disabled, expired] = [
      await scene.token("alice"),
      await scene.token("alice"),
      await scene.token("root"),
    ];
    for (const token of [revoked, disabled, expired]) await asked(token);
    await scene.call("DELETE", "/v3/auth/tokens", { token: revoked, subjectToken: revoked });
    assert.equal(known(revoked), undefined);
    await asked(disabled);
    assert.notEqual(known(disabled), undefined);
    await scene.service.administration.setUserEnabled("alice", false);
    assert.equal(known(disabled), undefined);
    await asked(expired);
    assert.notEqual(known(expired), undefined);
    scene.nowMs += 3_600_000;
    assert.equal(known(expired), undefined);
  });

  it("is nothing where more than the token decides", async () => {
    const { scene, known, asked } = await remembering();
    const rules = [{ service: "key-manager", method: "GET", path: "/v1/secrets" }];
    const bound = await scene.applicationCredentialToken({ access_rules: rules });
    await assert.rejects(asked(bound));
    assert.equal(known(bound), undefined);
    const unscoped = await scene.tokenFor(scene.passwordBody("alice", password));
    await assert.rejects(asked(unscoped));
    assert.equal(known(unscoped), undefined);
    const [alice, nova] = [await scene.token("alice"), await scene.token("nova")];
    for (const token of [alice, nova]) await asked(token);
    assert.equal(known(alice, nova), undefined);
  });
});
