import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { BuiltinIdentityOptions } from "../../src/identity/builtin/builtin-options.ts";
import { LoginLimiter } from "../../src/identity/builtin/login-limiter.ts";
import { BuiltinScene, password } from "./builtin-scene.ts";

let scene: BuiltinScene;
beforeEach(() => open());

async function open(options: Partial<BuiltinIdentityOptions> = {}): Promise<void> {
  const logins = { delayMs: 1, ...options.logins };
  scene = await BuiltinScene.open({ ...options, logins });
}

async function login(name: string, secret: string, address = "192.0.2.1"): Promise<number> {
  const body = scene.passwordBody(name, secret);
  return (await scene.call("POST", "/v3/auth/tokens", { body, address })).status;
}

async function fail(times: number, name: string, address = "192.0.2.1"): Promise<void> {
  for (let i = 0; i < times; i++) await login(name, "wrong", address);
}

async function loginWithToken(id: string, address = "192.0.2.1"): Promise<number> {
  const body = { auth: { identity: { methods: ["token"], token: { id } } } };
  return (await scene.call("POST", "/v3/auth/tokens", { body, address })).status;
}

const named = (user: object, scope?: object) => ({
  auth: { identity: { methods: ["password"], password: { user } }, ...(scope && { scope }) },
});

const credential = (application_credential: object) => ({
  auth: { identity: { methods: ["application_credential"], application_credential } },
});

const events = () => scene.events.filter((event) => event.type === "login");

describe("failed logins of others", () => {
  it("do not close a shared address to one who has the right password", async () => {
    for (let i = 0; i < 200; i++) await login(`name-${i}`, "wrong");
    assert.equal(await login("root", password), 201);
    assert.equal(await login("alice", password), 201);
  });

  it("do not close an account to an address that failed with it a few times", async () => {
    await fail(3, "alice", "192.0.2.1");
    for (let i = 0; i < 1_100; i++) await login("alice", "wrong", `198.51.${i >> 8}.${i & 255}`);
    assert.equal(await login("alice", password, "192.0.2.1"), 201);
  });

  it("do not close an application credential to the owner of another of the same name", async () => {
    const body = (user: string) => ({
      auth: {
        identity: {
          methods: ["application_credential"],
          application_credential: { name: "ci", user: { id: scene.id(user) }, secret: "wrong" },
        },
      },
    });
    for (let i = 0; i < 10; i++)
      assert.equal(
        (await scene.call("POST", "/v3/auth/tokens", { body: body("root") })).status,
        401,
      );
    assert.equal((await scene.call("POST", "/v3/auth/tokens", { body: body("root") })).status, 429);
    assert.equal(
      (await scene.call("POST", "/v3/auth/tokens", { body: body("alice") })).status,
      401,
    );
  });

  it("do not close an account to one who is in another network", async () => {
    await fail(10, "alice", "2001:db8:0:1::1");
    assert.equal(await login("alice", password, "2001:db8:0:1:ffff::2"), 429, "the same /64");
    assert.equal(await login("alice", password, "2001:db8:0:2::1"), 201);
    await fail(10, "alice", "::ffff:192.0.2.9");
    assert.equal(await login("alice", password, "192.0.2.9"), 429, "IPv4 is IPv4");
    assert.equal(await login("alice", password, "192.0.2.10"), 201);
  });

  it("do not keep out another address when all turns are taken", async () => {
    await open({ passwords: { concurrency: 1, maxWaiting: 8 } });
    const flood = Array.from({ length: 30 }, (_, i) => login(`n${i}`, "wrong", "198.51.100.1"));
    const [mine, ...theirs] = await Promise.all([login("alice", password, "192.0.2.1"), ...flood]);
    assert.equal(mine, 201);
    assert.equal(theirs.filter((status) => status === 503).length > 0, true);
  });
});

describe("an address that fails again and again", () => {
  it("waits for each refusal, and only for refusals", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    await open({ logins: { failuresPerAddress: 3, delayMs: 2_000 } });
    for (const name of ["a", "b", "c"]) assert.equal(await login(name, "wrong"), 401);
    assert.equal(await login("alice", password), 201);
    let answered = 0;
    const refusal = login("d", "wrong").then((status) => {
      answered += 1;
      return status;
    });
    assert.equal(await login("alice", password), 201);
    for (let i = 0; i < 100; i++) await new Promise(setImmediate);
    assert.equal(answered, 0);
    t.mock.timers.tick(2_000);
    assert.equal(await refusal, 401);
  });

  it("waits with tokens that it invents, too, and closes nothing by them", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    await open({ logins: { failuresPerAddress: 3, delayMs: 2_000 } });
    for (let i = 0; i < 3; i++) assert.equal(await loginWithToken(`invented-${i}`), 401);
    let answered = 0;
    const refusal = loginWithToken("invented").finally(() => {
      answered += 1;
    });
    for (let i = 0; i < 100; i++) await new Promise(setImmediate);
    assert.equal(answered, 0);
    assert.equal(await loginWithToken(await scene.token("alice")), 201);
    t.mock.timers.tick(2_000);
    await refusal;
  });

  it("makes no more than so many wait, and refuses none of them", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const limiter = new LoginLimiter({ failuresPerAddress: 1, maxDelayed: 5 });
    limiter.begin(undefined, "192.0.2.1")("failed");
    limiter.begin(undefined, "192.0.2.1")("failed");
    let answered = 0;
    const all = Array.from({ length: 50 }, () =>
      limiter.delayRefusal("192.0.2.1").finally(() => {
        answered += 1;
      }),
    );
    await new Promise(setImmediate);
    assert.equal(limiter.held.delayed, 5);
    assert.equal(answered, 45);
    limiter.close();
    await Promise.all(all);
    assert.equal(limiter.held.delayed, 0);
  });
});

describe("what the limits on logins remember", () => {
  const huge = "n".repeat(65_000);

  it("has a bound, whatever is claimed from wherever", () => {
    const limiter = new LoginLimiter({ maxCounts: 100 });
    for (let i = 0; i < 1_000; i++)
      limiter.begin(["user", "name", `${huge}${i}`], `192.0.${i >> 8}.${i & 255}`)("failed");
    assert.deepEqual(limiter.held, { pairs: 100, addresses: 100, delayed: 0 });
  });

  it("is nothing of an attempt that was turned away undecided, or succeeded", () => {
    const limiter = new LoginLimiter();
    for (const outcome of ["undecided", "succeeded"] as const)
      for (let i = 0; i < 1_000; i++)
        limiter.begin(["user", "name", `name ${i}`], `192.0.${i >> 8}.${i & 255}`)(outcome);
    assert.deepEqual(limiter.held, { pairs: 0, addresses: 0, delayed: 0 });
  });

  it("is swept away when its time is over", () => {
    let nowMs = 0;
    const limiter = new LoginLimiter({ nowMs: () => nowMs });
    for (let i = 0; i < 1_000; i++) limiter.begin(["user", "name", `${i}`], `::${i}`)("failed");
    assert.equal(limiter.held.pairs, 1_000);
    nowMs = 300_000;
    limiter.begin(["user", "name", "other"], "192.0.2.1")("failed");
    assert.deepEqual(limiter.held, { pairs: 1, addresses: 1, delayed: 0 });
  });

  it("is one count of an account and an address, however often they come", () => {
    const limiter = new LoginLimiter();
    for (let i = 0; i < 100; i++) limiter.begin(["user", "name", "alice"], "192.0.2.1")("failed");
    assert.deepEqual(limiter.held, { pairs: 1, addresses: 1, delayed: 0 });
  });

  it("refuses options that it does not know", () => {
    for (const options of [{ failuresPerName: 5 }, { windowSeconds: 0 }, { maxDelayed: 1.5 }])
      assert.throws(() => new LoginLimiter(options), TypeError);
  });
});

describe("a name or an id at login", () => {
  it("that is longer than any is refused before it is looked for or counted", async () => {
    const long = "x".repeat(256);
    const domain = { id: "default" };
    const user = { name: "alice", domain, password };
    for (const body of [
      named({ ...user, name: long }),
      named({ id: long, password }),
      named({ ...user, domain: { id: long } }),
      named({ ...user, domain: { name: long } }),
      named(user, { project: { id: long } }),
      named(user, { project: { name: long, domain } }),
      credential({ id: long, secret: "s" }),
      credential({ name: long, user, secret: "s" }),
      credential({ name: "ci", user: { ...user, name: long }, secret: "s" }),
    ]) {
      const answer = await scene.call("POST", "/v3/auth/tokens", { body });
      assert.equal(answer.status, 400, answer.body);
      assert.ok(answer.body.length < 500, "it is not repeated");
    }
    assert.equal(await login("x".repeat(255), "wrong"), 401);
  });
});

describe("refused logins", () => {
  it("that a stranger causes leave a few summaries a minute, and not an entry each", async () => {
    for (let i = 0; i < 1_000; i++) await loginWithToken(`invented-${i}`, `192.0.2.${i % 250}`);
    for (let i = 0; i < 100; i++) await login(`nobody-${i}`, "wrong", `2001:db8:${i}::1`);
    assert.equal(events().length, 0);
    await scene.service.identity.close();
    assert.ok(events().length <= 23, String(events().length));
    assert.ok(JSON.stringify(events()).length < 10_000);
    const times = events().map((event) => (event.outcome === "refused" ? (event.times ?? 0) : 0));
    assert.equal(
      times.reduce((sum, one) => sum + one, 0),
      1_100,
      "none is forgotten",
    );
  });

  it("are counted by method, user and address, and name the first request", async () => {
    await login("alice", "wrong", "192.0.2.7");
    await login("alice", "wrong", "192.0.2.7");
    await login("typed-password-as-name", "x", "192.0.2.7");
    await scene.service.identity.close();
    const common = { type: "login", outcome: "refused", method: "password", requestId: "req-1" };
    const address = "192.0.2.7";
    assert.deepEqual(events(), [
      { ...common, address, userId: scene.id("alice"), times: 2 },
      { ...common, address, times: 1 },
    ]);
  });

  it("are recorded once a minute", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    await login("alice", "wrong");
    t.mock.timers.tick(59_999);
    await new Promise(setImmediate);
    assert.equal(events().length, 0);
    t.mock.timers.tick(1);
    await new Promise(setImmediate);
    assert.equal(events().length, 1);
  });

  it("that cannot be recorded are kept for the next time", async () => {
    let broken = true;
    const recorded: number[] = [];
    await open({
      audit: async (event) => {
        if (broken) throw new Error("disk full");
        if (event.type === "login" && event.outcome === "refused") recorded.push(event.times ?? 0);
      },
    });
    await login("alice", "wrong");
    await assert.rejects(scene.service.identity.close(), /disk full/);
    await login("alice", "wrong");
    broken = false;
    await scene.service.identity.close();
    assert.deepEqual(recorded, [2]);
  });
});
