import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { IdentityStore } from "../../src/identity/builtin/identity-store.ts";
import { SqlIdentityStore } from "../../src/identity/builtin/sql/sql-identity-store.ts";
import { temporaryFolder } from "../support/harness.ts";
import { openTestStore, storeKind } from "../support/test-store.ts";
import { BuiltinScene, password } from "./builtin-scene.ts";

type Change = (scene: BuiltinScene) => Promise<unknown>;

/**
 * A scene in which the next write that would give somebody something new waits
 * until a change of the right to it has committed: the latest that it can come.
 */
async function open(
  t: TestContext,
): Promise<{ scene: BuiltinScene; race: (change: Change) => void }> {
  const store = await openTestStore(t, temporaryFolder(t));
  t.after(() => store.close());
  let pending: Change | undefined;
  let scene: BuiltinScene | undefined;
  const giving = ["insertToken", "insertApplicationCredential", "updateUser"];
  const racing = new Proxy(new SqlIdentityStore(store), {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== "function") return method;
      return async (...parameters: unknown[]) => {
        if (giving.includes(String(name)) && pending && scene) {
          const change = pending;
          pending = undefined;
          await change(scene);
        }
        return (await Reflect.apply(method, target, parameters)) as unknown;
      };
    },
  }) as IdentityStore;
  scene = await BuiltinScene.open({ tokenCacheSeconds: 300 }, racing);
  return {
    scene,
    race: (change) => {
      pending = change;
    },
  };
}

const newPassword: Change = ({ service }) => service.administration.setPassword("alice", "another");
const disabled: Change = ({ service }) => service.administration.setUserEnabled("alice", false);
const deleted: Change = ({ service }) => service.administration.deleteUser("alice");
const closed: Change = ({ service }) => service.administration.setProjectEnabled("vault", false);
const noRole: Change = ({ service }) =>
  service.administration.revokeRole("alice", "vault", "member");

/** What a login answered, and whether anything that it gave is worth something. */
async function outcome(scene: BuiltinScene, body: object): Promise<string> {
  const answer = await scene.call("POST", "/v3/auth/tokens", { body });
  const token = answer.headers["x-subject-token"];
  if (token === undefined) return String(answer.status);
  const worth = await scene.service.identity.authenticate({ token }, "r").then(
    () => "a token that lives on",
    () => "a dead token",
  );
  return `${answer.status}, ${worth}`;
}

describe(`a right that ends between check and issue, on ${storeKind}`, () => {
  for (const [what, change] of [
    ["an old password", newPassword],
    ["a disabled user", disabled],
    ["a deleted user", deleted],
    ["a closed project", closed],
    ["a role that was taken away", noRole],
  ] as const) {
    it(`gives no token for ${what}`, async (t) => {
      const { scene, race } = await open(t);
      race(change);
      assert.equal(await outcome(scene, scene.passwordBody("alice", password, "vault")), "401");
    });

    it(`gives no token for a token of ${what}`, async (t) => {
      const { scene, race } = await open(t);
      const id = await scene.token("alice");
      const project = { id: scene.id("vault") };
      const identity = { methods: ["token"], token: { id } };
      race(change);
      assert.equal(await outcome(scene, { auth: { identity, scope: { project } } }), "401");
    });

    it(`makes no application credential for ${what}`, async (t) => {
      const { scene, race } = await open(t);
      const token = await scene.token("alice");
      const path = `/v3/users/${scene.id("alice")}/application_credentials`;
      race(change);
      const body = { application_credential: { name: "kept" } };
      const made = await scene.call("POST", path, { token, body });
      assert.equal(made.status, 401, made.body);
      const kept = { id: String((made.document["application_credential"] as { id?: string })?.id) };
      assert.equal(kept.id, "undefined");
    });
  }

  it("gives no token for a token that was revoked", async (t) => {
    const { scene, race } = await open(t);
    const [id, other] = [await scene.token("alice"), await scene.token("alice")];
    race(() => scene.call("DELETE", "/v3/auth/tokens", { token: other, subjectToken: id }));
    const identity = { methods: ["token"], token: { id } };
    const project = { id: scene.id("vault") };
    assert.equal(await outcome(scene, { auth: { identity, scope: { project } } }), "401");
  });

  it("gives no token for an application credential that was deleted", async (t) => {
    const { scene, race } = await open(t);
    const path = `/v3/users/${scene.id("alice")}/application_credentials`;
    const token = await scene.token("alice");
    const body = { application_credential: { name: "ci" } };
    const made = await scene.call("POST", path, { token, body });
    const { id, secret } = made.document["application_credential"] as Record<string, string>;
    race(() => scene.call("DELETE", `${path}/${id}`, { token }));
    const identity = {
      methods: ["application_credential"],
      application_credential: { id, secret },
    };
    assert.equal(await outcome(scene, { auth: { identity } }), "401");
  });

  it("lets nobody who knows the old password undo a new one", async (t) => {
    const { scene, race } = await open(t);
    const token = await scene.token("alice");
    race(newPassword);
    const answer = await scene.call("POST", `/v3/users/${scene.id("alice")}/password`, {
      token,
      body: { user: { password: "the thief's", original_password: password } },
    });
    assert.equal(answer.status, 401);
    assert.equal(await outcome(scene, scene.passwordBody("alice", "the thief's", "vault")), "401");
    const own = await outcome(scene, scene.passwordBody("alice", "another", "vault"));
    assert.equal(own, "201, a token that lives on");
  });

  it("leaves no token of the old password, whenever the logins come", async (t) => {
    const { scene } = await open(t);
    const log = () =>
      scene.call("POST", "/v3/auth/tokens", {
        body: scene.passwordBody("alice", password, "vault"),
      });
    const before = Array.from({ length: 9 }, log);
    const change = newPassword(scene);
    const answers = await Promise.all([...before, ...Array.from({ length: 9 }, log)]);
    await change;
    for (const { headers } of answers) {
      const token = headers["x-subject-token"];
      if (token !== undefined)
        await assert.rejects(scene.service.identity.authenticate({ token }, "r"));
    }
  });
});
