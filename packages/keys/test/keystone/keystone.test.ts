import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { HttpClient } from "../../src/http/client.ts";
import { nodeSend } from "../../src/http/send.ts";
import { type Caller, type KeystoneOptions, keystoneCaller, SecretBytes } from "../../src/index.ts";
import { Keystone } from "../../src/keystone/keystone.ts";
import { FakeCloud } from "../fake/cloud.ts";
import { refuses } from "../refuses.ts";

describe("Keystone", () => {
  let cloud: FakeCloud;
  let keystone: Keystone;
  let now: number;

  before(async () => {
    cloud = await FakeCloud.start();
  });
  after(() => cloud.stop());
  beforeEach(() => {
    cloud.reset();
    now = Date.parse("2026-01-01T00:00:00Z");
    cloud.keystone.now = () => now;
    const http = new HttpClient({
      send: nodeSend(),
      timeoutMs: 5_000,
      retries: 1,
      sleep: async () => {},
    });
    keystone = new Keystone({ http, now: () => new Date(now) });
  });

  const requests = () => cloud.seen.length;
  const textOf = async (caller: Caller) =>
    (await keystone.token(caller)).value.useText((text) => text);

  it("asks once for a credential, however often it is used", async () => {
    const first = await textOf(cloud.caller());
    for (let n = 0; n < 5; n += 1) assert.equal(await textOf(cloud.caller()), first);
    assert.equal(requests(), 1);
  });

  it("asks once for concurrent first uses", async () => {
    const tokens = await Promise.all(Array.from({ length: 50 }, () => textOf(cloud.caller())));
    assert.equal(new Set(tokens).size, 1);
    assert.equal(requests(), 1);
  });

  it("asks once for concurrent uses when the token is about to end", async () => {
    await textOf(cloud.caller());
    now += cloud.keystone.tokenLifetimeMs - 30_000;
    const tokens = await Promise.all(Array.from({ length: 50 }, () => textOf(cloud.caller())));
    assert.equal(new Set(tokens).size, 1);
    assert.equal(requests(), 2);
  });

  it("renews a token a minute before its end, not earlier", async () => {
    const first = await textOf(cloud.caller());
    now += cloud.keystone.tokenLifetimeMs - 61_000;
    assert.equal(await textOf(cloud.caller()), first);
    now += 2_000;
    assert.notEqual(await textOf(cloud.caller()), first);
  });

  it("gives no caller another's token, whatever they differ in", async () => {
    const token = cloud.keystone.issue({ userId: "alice", projectId: "a" });
    const { port } = new URL(cloud.authUrl);
    const differing: KeystoneOptions[] = [
      {},
      { username: "bob", password: "bob's password" },
      { userDomainId: "other" },
      { userDomainName: "default" },
      { userId: "alice", username: undefined },
      { projectName: "b" },
      { projectName: undefined, projectId: "a" },
      { projectDomainName: "default" },
      { projectName: undefined },
      { projectName: undefined, domainId: "d" },
      { projectName: undefined, domainName: "d" },
      { projectName: undefined, trustId: "d" },
      { authUrl: `http://localhost:${port}/v3` },
      { token },
      { token, projectName: undefined },
    ];
    const tokens: string[] = [];
    for (const options of differing) {
      const caller = keystoneCaller({
        authUrl: cloud.authUrl,
        username: "alice",
        password: "alice's password",
        projectName: "a",
        ...options,
      });
      if ("userId" in options) cloud.fail(/POST/, { type: "reply", status: 401 });
      if (caller.type === "token" && caller.scope.type === "unscoped") continue;
      tokens.push(await textOf(caller).catch(() => `refused ${tokens.length}`));
    }
    assert.equal(new Set(tokens).size, tokens.length);
    assert.equal(requests(), tokens.length);
  });

  it("gives a caller with a wrong password not the token of the right one", async () => {
    await textOf(cloud.caller());
    await refuses(
      keystone.token(cloud.caller({ password: "alice's Password" })),
      "unauthenticated",
      /check user, password or secret/,
      ["alice's Password"],
    );
  });

  it("does not keep a failure", async () => {
    cloud.fail(/POST/, { type: "reply", status: 500 });
    await refuses(keystone.token(cloud.caller()), "unavailable", /status 500/);
    assert.ok(await textOf(cloud.caller()));
  });

  it("asks again after a token was refused, once for all who used it", async () => {
    const caller = cloud.caller();
    const token = await keystone.token(caller);
    await Promise.all(Array.from({ length: 10 }, () => keystone.forget(caller, token)));
    const fresh = await Promise.all(Array.from({ length: 10 }, () => keystone.token(caller)));
    assert.equal(new Set(fresh).size, 1);
    assert.equal(requests(), 2);
    await keystone.forget(caller, token);
    assert.equal(
      await keystone.token(caller),
      fresh[0],
      "a late refusal of the old one changes nothing",
    );
  });

  it("lets one waiter abort without failing the others", async () => {
    const abort = new AbortController();
    cloud.onRequest = async () => {
      abort.abort(new Error("changed my mind"));
      await new Promise((resolve) => setImmediate(resolve));
    };
    const caller = cloud.caller();
    const first = keystone.token(caller, abort.signal);
    const others = [keystone.token(caller), keystone.token(caller, new AbortController().signal)];
    await refuses(first, "unavailable", /authenticate: aborted by the caller/);
    const tokens = await Promise.all(others);
    assert.equal(tokens[0], tokens[1]);
    assert.equal(requests(), 1);
    await refuses(keystone.token(caller, AbortSignal.abort()), "unavailable", /aborted/);
  });

  it("keeps a thousand callers' tokens, those used last", async () => {
    const callers = Array.from({ length: 1_001 }, (_, n) => cloud.caller({ projectName: `p${n}` }));
    const [first, second] = callers as [Caller, Caller];
    for (const caller of callers.slice(0, 1_000)) await keystone.token(caller);
    await keystone.token(first);
    assert.equal(requests(), 1_000);
    await keystone.token(callers[1_000] as Caller);
    await keystone.token(first);
    assert.equal(requests(), 1_001, "the one used last is kept");
    await keystone.token(second);
    assert.equal(requests(), 1_002, "the one used longest ago is not");
  });

  it("looks up what a token that it need not rescope is good for", async () => {
    const token = cloud.keystone.issue({ userId: "alice", projectId: "a" });
    const found = await keystone.token(keystoneCaller({ authUrl: cloud.authUrl, token }));
    assert.equal(cloud.seen[0]?.method, "GET");
    assert.deepEqual([found.userId, found.projectId, found.roles], ["alice", "a", ["member"]]);
    assert.ok(found.value.equals(SecretBytes.fromText(token)));
  });

  it("presents a token as it is if there is no Keystone to ask", async () => {
    const found = await keystone.token(keystoneCaller({ token: "abc" }));
    assert.equal(requests(), 0);
    assert.equal(found.expires, undefined);
  });

  for (const [status, code, message] of [
    [400, "invalid_argument", /check that user, domains and scope belong together/],
    [401, "unauthenticated", /check user, password or secret, domains and project/],
    [403, "forbidden", /disabled/],
    [404, "invalid_argument", /check authUrl/],
    [302, "bad_response", /status 302/],
    [200, "bad_response", /status 200/],
    [418, "bad_response", /status 418/],
    [503, "unavailable", /status 503/],
  ] as const) {
    it(`takes a ${status} for ${code}, and does not repeat what Keystone says`, async () => {
      const json = { error: { message: "alice's password is no good" } };
      cloud.fail(/POST/, { type: "reply", status, json }, 2);
      await refuses(keystone.token(cloud.caller()), code, message, ["alice's password"]);
    });
  }

  for (const [label, fault, message] of [
    ["no token in its header", { json: { token: {} } }, /lacks the header X-Subject-Token/],
    ["no JSON", { headers: { "x-subject-token": "t" }, bytes: Buffer.from("alice") }, /no JSON/],
    [
      "no expiry",
      { headers: { "x-subject-token": "t" }, json: { token: { user: {} } } },
      /expires_at/,
    ],
  ] as const) {
    it(`refuses an answer with ${label}`, async () => {
      cloud.fail(/POST/, { type: "reply", status: 201, ...fault });
      await refuses(keystone.token(cloud.caller()), "bad_response", message);
    });
  }

  it("refuses a caller without credentials, and none at all", async () => {
    const project = { type: "project", projectId: "a", userId: "u" } as const;
    await refuses(keystone.token(project), "invalid_argument", /make one with keystoneCaller/);
    for (const nobody of [undefined, null, {}, { type: "x" }]) {
      await refuses(keystone.token(nobody as never), "invalid_argument", /caller is missing/);
    }
  });

  it("refuses secrets that a request cannot hold", async () => {
    const bytes = new SecretBytes(Uint8Array.of(0xff, 0xfe));
    const caller = { ...cloud.caller(), password: bytes } as Caller;
    await refuses(keystone.token(caller), "invalid_argument", /password is not UTF-8 text/);
  });
});
