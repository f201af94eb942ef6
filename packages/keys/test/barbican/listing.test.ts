import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../../scripts/random-runs.ts";
import { FakeCloud } from "../fake/cloud.ts";
import { refuses } from "../refuses.ts";

describe("listing", () => {
  let cloud: FakeCloud;

  before(async () => {
    cloud = await FakeCloud.start();
  });
  after(() => cloud.stop());
  beforeEach(() => cloud.reset());

  /** Puts objects in as if made at these seconds, and gives their ids. */
  async function stock(
    seconds: readonly number[],
    name = (n: number) => `o${n}`,
  ): Promise<string[]> {
    const token = cloud.keystone.issue({ userId: "alice", projectId: "a" });
    const earlier = new Set(cloud.barbican.secrets.keys());
    for (const [n, second] of seconds.entries()) {
      cloud.barbican.now = () => second * 1_000;
      cloud.barbican.handle({
        service: "barbican",
        method: "POST",
        path: "/v1/secrets",
        headers: { "x-auth-token": token },
        body: Buffer.from(JSON.stringify({ name: name(n) })),
        connection: 0,
      });
    }
    return [...cloud.barbican.secrets.keys()].filter((id) => !earlier.has(id));
  }

  async function listed(filter = {}): Promise<string[]> {
    return (await Array.fromAsync(cloud.manager().list(cloud.caller(), filter))).map(
      ({ id }) => id,
    );
  }

  it("gives all of them once, in creation order, however their times tie and pages break", async (t) => {
    await holds(
      t,
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        async (seconds, pageLimit) => {
          cloud.reset();
          cloud.barbican.pageLimit = pageLimit;
          const ids = await stock(seconds.toSorted((a, b) => a - b));
          const found = await listed();
          assert.equal(found.length, ids.length);
          assert.deepEqual(new Set(found), new Set(ids));
          const times = found.map((id) => cloud.barbican.secrets.get(id)?.created ?? "");
          assert.deepEqual(times, times.toSorted());
        },
      ),
      { numRuns: 60 },
    );
  });

  it("misses none of those that stay, whatever is deleted meanwhile", async (t) => {
    await holds(
      t,
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.integer({ min: 2, max: 7 }),
        async (seconds, victims, pageLimit) => {
          cloud.reset();
          cloud.barbican.pageLimit = pageLimit;
          const ids = await stock(seconds.toSorted((a, b) => a - b));
          const pending = victims.map((victim) => ids[victim % ids.length] ?? "");
          cloud.onRequest = ({ path }) => {
            if (path.includes("/v1/secrets?")) cloud.barbican.secrets.delete(pending.pop() ?? "");
          };
          const found = await listed();
          const missed = [...cloud.barbican.secrets.keys()].filter((id) => !found.includes(id));
          assert.deepEqual(missed, []);
          assert.equal(new Set(found).size, found.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("takes one request for each page of a hundred", async () => {
    await stock(Array.from({ length: 250 }, (_, n) => n));
    cloud.seen.length = 0;
    assert.equal((await listed()).length, 250);
    assert.equal(cloud.takeCalls().length, 3);
  });

  it("asks for no further page than is read", async () => {
    await stock(Array.from({ length: 250 }, (_, n) => n));
    cloud.seen.length = 0;
    for await (const _ of cloud.manager().list(cloud.caller())) break;
    assert.equal(cloud.takeCalls().length, 1);
  });

  for (const name of ["a_c", "a%c", "100%", "%41", "a+b", "a b", "a\\c", "ä?&=#", "A_C", "'; --"]) {
    it(`finds the name ${JSON.stringify(name)} exactly, wildcard or not`, async () => {
      const names = [name, "abc", "aXc", "A", "100", "a b", `${name}x`, name.toLowerCase()];
      const ids = await stock(
        names.map(() => 1),
        (n) => names[n] ?? "",
      );
      const expected = ids.filter((_, n) => names[n] === name);
      assert.deepEqual(new Set(await listed({ name })), new Set(expected));
    });
  }

  it("lets the server filter by type, and by a name that it cannot garble", async () => {
    await listed({ type: "symmetric", name: "volume 1" });
    const query = new URL(cloud.seen.at(-1)?.path ?? "", "http://x").searchParams;
    assert.deepEqual([query.get("secret_type"), query.get("name")], ["symmetric", "volume 1"]);
  });

  it("fails as a whole if a page fails", async () => {
    await stock(Array.from({ length: 150 }, (_, n) => n));
    cloud.fail(/created=gte/, { type: "reply", status: 500 });
    await refuses(listed(), "unavailable", /GET secrets: status 500/);
  });

  it("ends when the caller aborts", async () => {
    await stock(Array.from({ length: 150 }, (_, n) => n));
    const abort = new AbortController();
    const list = cloud.manager().list(cloud.caller(), {}, { signal: abort.signal });
    const read = async () => {
      for await (const _ of list) abort.abort();
    };
    await refuses(read(), "unavailable", /aborted/);
  });
});
