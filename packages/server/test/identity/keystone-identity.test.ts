import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { IdentityHeaders } from "../../src/identity/identity.ts";
import { IdentityError, type IdentityErrorCode } from "../../src/identity/identity-error.ts";
import { KeystoneIdentity } from "../../src/identity/keystone/keystone-identity.ts";
import type { KeystoneIdentityOptions } from "../../src/identity/keystone/keystone-options.ts";
import { startHarness } from "../support/harness.ts";
import { targetFor } from "../support/target.ts";
import { FakeKeystone } from "./fake-keystone.ts";

const start = Date.parse("2026-11-23T12:00:00Z");
let keystone: FakeKeystone;
let url: string;
let nowMs: number;
let delays: number[];
const opened: KeystoneIdentity[] = [];

beforeEach(async () => {
  keystone = new FakeKeystone();
  url = await keystone.start();
  nowMs = start;
  delays = [];
});
afterEach(async () => {
  for (const identity of opened.splice(0)) await identity.close();
  await keystone.stop();
});

function open(options: Partial<KeystoneIdentityOptions> = {}): KeystoneIdentity {
  const identity = new KeystoneIdentity({
    authUrl: url,
    credentials: {
      type: "password",
      username: "barbican",
      password: "right",
      projectName: "service",
    },
    nowMs: () => nowMs,
    random: () => 1,
    delay: (milliseconds) => {
      delays.push(milliseconds);
      return Promise.resolve();
    },
    ...options,
  });
  opened.push(identity);
  return identity;
}

async function refuses(
  identity: KeystoneIdentity,
  headers: IdentityHeaders,
  code: IdentityErrorCode,
): Promise<IdentityError> {
  let caught: unknown;
  await assert.rejects(identity.authenticate(headers, "req-1"), (error) => {
    caught = error;
    return true;
  });
  assert.ok(caught instanceof IdentityError, String(caught));
  assert.equal(caught.code, code, caught.message);
  for (const secret of [headers.token, headers.serviceToken, "right"]) {
    if (secret) assert.ok(!`${caught.message}${String(caught.cause)}`.includes(secret));
  }
  return caught;
}

describe("the Keystone identity", () => {
  it("asks as itself, without the catalog, and reports what the token says", async () => {
    keystone.tokens.set("t1", { roles: ["member", "reader"] });
    assert.deepEqual(await open().authenticate({ token: "t1" }, "req-7"), {
      userId: "u1",
      userName: "alice",
      projectId: "p1",
      domainId: "default",
      roles: ["member", "reader"],
      requestId: "req-7",
    });
    const [login, validation] = keystone.requests;
    assert.equal(login?.url, "/v3/auth/tokens?nocatalog");
    assert.equal(validation?.url, "/v3/auth/tokens?nocatalog");
    assert.equal(validation?.headers["x-auth-token"], "own-1");
    assert.equal(validation?.headers["x-subject-token"], "t1");
    assert.equal(validation?.headers["openstack-identity-access-rules"], "1");
  });

  it("asks once for as long as the cache may be believed", async () => {
    keystone.tokens.set("t1", {});
    const identity = open({ tokenCacheSeconds: 300 });
    for (const second of [0, 100, 299]) {
      nowMs = start + second * 1000;
      await identity.authenticate({ token: "t1" }, "req");
    }
    assert.equal(keystone.validations, 1);
    nowMs = start + 300_000;
    await identity.authenticate({ token: "t1" }, "req");
    assert.equal(keystone.validations, 2);
  });

  it("asks every time without a cache", async () => {
    keystone.tokens.set("t1", {});
    const identity = open({ tokenCacheSeconds: 0 });
    for (let i = 0; i < 3; i++) await identity.authenticate({ token: "t1" }, "req");
    assert.equal(keystone.validations, 3);
  });

  it("asks once for all who come with the same token at the same time", async () => {
    keystone.tokens.set("t1", {});
    const identity = open();
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => identity.authenticate({ token: "t1" }, `req-${i}`)),
    );
    assert.equal(keystone.validations, 1);
    assert.equal(keystone.logins, 1);
  });

  it("refuses a cached token from the instant it expires", async () => {
    keystone.tokens.set("t1", { expiresAt: "2026-11-23T12:01:00.000000Z" });
    const identity = open();
    await identity.authenticate({ token: "t1" }, "req");
    nowMs = start + 60_000;
    await refuses(identity, { token: "t1" }, "invalid_token");
    assert.equal(keystone.validations, 1);
  });

  it("notices a revocation when the cached answer has aged out", async () => {
    keystone.tokens.set("t1", {});
    const identity = open({ tokenCacheSeconds: 10 });
    await identity.authenticate({ token: "t1" }, "req");
    keystone.tokens.delete("t1");
    nowMs = start + 10_000;
    await refuses(identity, { token: "t1" }, "invalid_token");
  });

  it("asks about nonsense once, and nonsense does not push out what is known", async () => {
    keystone.tokens.set("t1", {});
    const identity = open({ maxCachedTokens: 5 });
    await identity.authenticate({ token: "t1" }, "req");
    for (let i = 0; i < 20; i++) await refuses(identity, { token: `bad-${i}` }, "invalid_token");
    await refuses(identity, { token: "bad-19" }, "invalid_token");
    await identity.authenticate({ token: "t1" }, "req");
    assert.equal(keystone.validations, 21);
  });

  const implausible: [string, string | undefined][] = [
    ["no token", undefined],
    ["an empty token", ""],
    ["a token of 3,500 characters", "x".repeat(3_500)],
    ["a token with a line break", "a\r\nX-Roles: admin"],
    ["a token with a blank", "a b"],
    ["a token beyond ASCII", "tökén"],
  ];
  for (const [what, token] of implausible) {
    it(`refuses ${what} without asking`, async () => {
      await refuses(open(), token === undefined ? {} : { token }, "invalid_token");
      assert.equal(keystone.requests.length, 0);
    });
  }

  it("refuses a token without a project, and says so", async () => {
    keystone.tokens.set("t1", { projectId: null, roles: [] });
    await refuses(open(), { token: "t1" }, "no_project");
  });

  it("knows the address with and without /v3, and tells clients the whole one", () => {
    for (const authUrl of ["http://k:5000", "http://k:5000/v3", "http://k:5000/v3/"]) {
      assert.equal(open({ authUrl }).wwwAuthenticateUri, "http://k:5000/v3");
    }
    assert.equal(
      open({ authUrl: "https://k/identity" }).wwwAuthenticateUri,
      "https://k/identity/v3",
    );
    assert.equal(open({ wwwAuthenticateUri: "https://pub" }).wwwAuthenticateUri, "https://pub");
  });
});

describe("the Keystone identity's own token", () => {
  it("is renewed before it expires", async () => {
    keystone.tokens.set("t1", {});
    keystone.ownExpiresAt = "2026-11-23T12:10:00.000000Z";
    const identity = open({ tokenCacheSeconds: 0 });
    await identity.authenticate({ token: "t1" }, "req");
    nowMs = start + 9.5 * 60_000;
    keystone.ownExpiresAt = "2026-11-23T13:00:00.000000Z";
    await identity.authenticate({ token: "t1" }, "req");
    assert.equal(keystone.logins, 2);
  });

  it("is renewed once when Keystone no longer takes it, for all who wait", async () => {
    for (let i = 0; i < 20; i++) keystone.tokens.set(`t${i}`, {});
    const identity = open();
    await identity.authenticate({ token: "t0" }, "req");
    keystone.ownToken = "revoked behind our back";
    await Promise.all(
      Array.from({ length: 19 }, (_, i) => identity.authenticate({ token: `t${i + 1}` }, "req")),
    );
    assert.equal(keystone.logins, 2);
  });

  it("is not renewed twice for one question", async () => {
    keystone.fault = (request, response) => {
      if (request.method !== "GET") return false;
      response.writeHead(401).end("{}");
      return true;
    };
    const error = await refuses(open(), { token: "t1" }, "unavailable");
    assert.match(error.message, /own user may not validate tokens/);
    assert.equal(keystone.validations, 2);
    assert.equal(keystone.logins, 2);
  });

  it("that cannot be had is the operator's problem, not the caller's", async () => {
    const identity = open({
      credentials: { type: "password", username: "barbican", password: "wrong", projectName: "s" },
    });
    const error = await refuses(identity, { token: "t1" }, "unavailable");
    assert.match(error.message, /refuses this server's own credentials/);
    assert.equal(error.retryAfterSeconds, 30);
  });
});

describe("a Keystone in trouble", () => {
  it("is asked again, with growing pauses, and then reported unavailable", async () => {
    keystone.fault = (_request, response) => {
      response.writeHead(503).end("<html>");
      return true;
    };
    await refuses(open(), { token: "t1" }, "unavailable");
    assert.equal(keystone.requests.length, 3);
    assert.deepEqual(delays, [100, 200]);
  });

  it("is believed again as soon as it is well", async () => {
    keystone.tokens.set("t1", {});
    let failures = 2;
    keystone.fault = (request) => {
      if (failures === 0) return false;
      failures -= 1;
      request.socket.destroy();
      return true;
    };
    await open().authenticate({ token: "t1" }, "req");
  });

  it("is reported unavailable when nothing listens, and tokens in the cache still serve", async () => {
    keystone.tokens.set("t1", {});
    const identity = open();
    await identity.authenticate({ token: "t1" }, "req");
    await keystone.stop();
    await identity.authenticate({ token: "t1" }, "req");
    await refuses(identity, { token: "t2" }, "unavailable");
    keystone = new FakeKeystone();
    await keystone.start();
  });

  it("is not waited for beyond the time-out, nor asked again after it", async () => {
    const silent = Promise.withResolvers<void>();
    keystone.gate = silent.promise;
    await refuses(open({ timeoutMs: 30 }), { token: "t1" }, "unavailable");
    assert.equal(delays.length, 0);
    silent.resolve();
  });

  it("is 503 with Retry-After to clients, away or slow, until it is well, without a restart", async (t) => {
    keystone.tokens.set("t1", {});
    const { ask } = await startHarness(t, { identity: open({ timeoutMs: 30 }) });
    const list = () => ask("GET", "/v1/secrets", { token: "t1" });
    const silent = Promise.withResolvers<void>();
    const away = () => {
      keystone.fault = (request) => {
        request.socket.destroy();
        return true;
      };
    };
    const slow = () => {
      keystone.fault = () => false;
      keystone.gate = silent.promise;
    };
    for (const trouble of [away, slow]) {
      trouble();
      const refused = await list();
      assert.deepEqual([refused.status, refused.headers["retry-after"]], [503, "1"]);
    }
    silent.resolve();
    assert.equal((await list()).status, 200);
  });

  it("turns new tokens away while too many wait", async () => {
    for (let i = 0; i < 4; i++) keystone.tokens.set(`t${i}`, {});
    const slow = Promise.withResolvers<void>();
    const identity = open({ maxPending: 3 });
    keystone.gate = slow.promise;
    const waiting = [0, 1, 2].map((i) => identity.authenticate({ token: `t${i}` }, "req"));
    const same = identity.authenticate({ token: "t0" }, "req").catch((error: unknown) => error);
    await refuses(identity, { token: "t3" }, "unavailable");
    slow.resolve();
    await Promise.all([...waiting, same]);
    await identity.authenticate({ token: "t3" }, "req");
  });

  const answers: [string, number, string, IdentityErrorCode][] = [
    ["no JSON", 200, "<html>welcome</html>", "unavailable"],
    ["another document", 200, '{"access":{"token":{}}}', "unavailable"],
    [
      "a token without a user",
      200,
      '{"token":{"expires_at":"2099-01-01T00:00:00Z"}}',
      "unavailable",
    ],
    [
      "a token without an expiry",
      200,
      '{"token":{"user":{"id":"u"},"project":{"id":"p"}}}',
      "unavailable",
    ],
    ["a redirect", 302, "", "unavailable"],
    ["a teapot", 418, "", "unavailable"],
    ["success without content", 204, "", "unavailable"],
    ["more than a megabyte", 200, `"${"x".repeat(1_100_000)}"`, "unavailable"],
    ["too many requests", 429, "", "unavailable"],
    ["forbidden", 403, "{}", "unavailable"],
    ["a bad request", 400, "{}", "invalid_token"],
    ["headers too large", 431, "", "invalid_token"],
  ];
  for (const [what, status, body, code] of answers) {
    it(`that answers ${what} vouches for nobody`, async () => {
      keystone.fault = (request, response) => {
        if (request.method !== "GET") return false;
        response.writeHead(status, { location: "http://elsewhere.invalid/" }).end(body);
        return true;
      };
      await refuses(open(), { token: "t1" }, code);
    });
  }
});

describe("a service token", () => {
  beforeEach(() => {
    keystone.tokens.set("user", {});
    keystone.tokens.set("old", { expiresAt: "2026-11-23T11:00:00.000000Z" });
    keystone.tokens.set("nova", { roles: ["service", "admin"] });
    keystone.tokens.set("impostor", { roles: ["admin"] });
  });

  it("with a service role brings its roles along", async () => {
    const principal = await open().authenticate({ token: "user", serviceToken: "nova" }, "req");
    assert.deepEqual(principal.serviceRoles, ["service", "admin"]);
    assert.deepEqual(principal.roles, ["member"]);
  });

  it("with a service role lets a long job go on with an expired token", async () => {
    const identity = open();
    const principal = await identity.authenticate({ token: "old", serviceToken: "nova" }, "req");
    assert.equal(principal.userId, "u1");
    assert.ok(keystone.requests.some(({ url: asked }) => asked.endsWith("&allow_expired=1")));
    // That answer vouches for nobody who comes without the service.
    await refuses(identity, { token: "old" }, "invalid_token");
  });

  it("without a service role, or unknown, or malformed, is refused with all it brings", async () => {
    const identity = open();
    for (const serviceToken of ["impostor", "unknown", "", "x".repeat(4_000)]) {
      await refuses(identity, { token: "user", serviceToken }, "invalid_token");
    }
  });

  it("without a service role is let pass on request, but revives nothing", async () => {
    const identity = open({ serviceTokenRolesRequired: false });
    await identity.authenticate({ token: "user", serviceToken: "impostor" }, "req");
    await refuses(identity, { token: "old", serviceToken: "impostor" }, "invalid_token");
    await refuses(identity, { token: "user", serviceToken: "unknown" }, "invalid_token");
  });

  it("does not help an unknown token", async () => {
    await refuses(open(), { token: "unknown", serviceToken: "nova" }, "invalid_token");
  });
});

describe("an application credential with access rules", () => {
  beforeEach(() => {
    keystone.tokens.set("t1", {
      accessRules: [
        { service: "key-manager", method: "GET", path: "/v1/secrets/{id}" },
        { service: "identity", method: "DELETE", path: "/**" },
      ],
    });
  });

  it("may do what one of them covers, and nothing else", async () => {
    const identity = open();
    const may = (method: string, path: string) =>
      identity.authenticate({ token: "t1" }, "req", { method, target: targetFor(path) }).then(
        () => true,
        () => false,
      );
    assert.equal(await may("GET", "/v1/secrets/1"), true);
    assert.equal(await may("GET", "/v1/secrets/1/payload"), false);
    assert.equal(await may("DELETE", "/v1/secrets/1"), false);
    assert.equal(await may("GET", "/v1/orders/1"), false);
  });

  it("is refused when nobody says what is asked for", async () => {
    await refuses(open(), { token: "t1" }, "invalid_token");
  });
});

describe("the Keystone options", () => {
  const credentials = { type: "application_credential", id: "i", secret: "s" } as const;
  const refusals: [string, object, RegExp][] = [
    [
      "misspelled",
      { tokenCacheSecond: 5 },
      /unknown option "tokenCacheSecond"; did you mean "tokenCacheSeconds"/,
    ],
    ["without http", { authUrl: "keystone:5000" }, /authUrl must be an http or https address/],
    ["with a password in the address", { authUrl: "http://u:p@k" }, /without credentials/],
    ["negative", { tokenCacheSeconds: -1 }, /tokenCacheSeconds must be a whole number from 0/],
    [
      "without a secret",
      { credentials: { ...credentials, secret: "" } },
      /credentials need secret/,
    ],
  ];
  for (const [what, options, message] of refusals) {
    it(`are refused ${what}`, () => {
      assert.throws(
        () => new KeystoneIdentity({ authUrl: "http://k", credentials, ...options }),
        (error: unknown) => error instanceof TypeError && message.test(error.message),
      );
    });
  }
});
