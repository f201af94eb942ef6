import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { systemClock } from "../src/model/clock.ts";
import { base, type Harness, idOf, startHarness } from "./support/harness.ts";

interface Document {
  readonly secret_ref: string;
  readonly name: string | null;
  readonly algorithm: string | null;
  readonly bit_length: number | null;
  readonly mode: string | null;
  readonly secret_type: string;
  readonly created: string;
  readonly updated: string;
  readonly expiration: string | null;
}

type Parameters = Readonly<Record<string, string>>;

const start = Date.parse("2030-01-01T00:00:00Z");
const expirations = ["2031-01-01T00:00:00Z", "2031-01-01T00:00:00+02:00", "2032-06-01"];

const pick = <T>(values: readonly T[], index: number) => values[index % values.length];
const refs = (documents: readonly Document[]) => documents.map((one) => one.secret_ref);

/** Secrets of every sort, some of them private, granted to mallory, or of another project. */
async function populate({ ask }: Harness, tick: () => void): Promise<void> {
  for (let index = 0; index < 36; index++) {
    tick();
    const body = {
      name: pick(["a", "ab", "A", "a_b", "a%b", "ünï", "", null], index),
      algorithm: pick(["aes", "AES", "rsa"], index),
      bit_length: pick([128, 256, 512, undefined], index),
      mode: pick(["cbc", "xts", undefined], index >> 1),
      secret_type: pick(["symmetric", "opaque", "private"], index >> 2),
      expiration: pick([undefined, ...expirations], index >> 1),
    };
    const token = index % 9 === 0 ? "bob/other/member" : "alice/p/member";
    const made = await ask("POST", "/v1/secrets", { body, token });
    const path = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
    tick();
    if (index % 4 === 0)
      await ask("PUT", `${path}/acl`, {
        token,
        body: { read: { users: ["mallory"], "project-access": index % 8 === 0 } },
      });
    if (index % 7 === 3) await ask("DELETE", path, { token });
  }
}

/** All that a caller gets, page by page, along the links. */
async function everything({ ask }: Harness, token: string, first: string): Promise<Document[]> {
  const found: Document[] = [];
  for (let path: string | undefined = first; path; ) {
    const { json } = await ask("GET", path, { token });
    found.push(...(json["secrets"] as Document[]));
    assert.ok(Number(json["total"]) >= found.length);
    path = (json["next"] as string | undefined)?.slice(base.length);
  }
  return found;
}

/** What the wire's rules make of a list, written down apart from the SQL under test. */
function expected(all: readonly Document[], parameters: Parameters): readonly Document[] {
  const keys = (parameters["sort"] ?? "created").split(",").map((part) => part.split(":"));
  return all
    .filter((secret) => fits(secret, parameters))
    .toSorted((a, b) => {
      for (const [key, direction] of keys) {
        const order = compare(a[key as keyof Document], b[key as keyof Document]);
        if (order !== 0) return direction === "desc" ? -order : order;
      }
      return compare(a.created, b.created);
    });
}

function fits(secret: Document, parameters: Parameters): boolean {
  return Object.entries(parameters).every(([key, value]) => {
    switch (key) {
      case "name":
        return like(secret.name, value);
      case "alg":
        return like(secret.algorithm, value);
      case "mode":
        return like(secret.mode, value);
      case "bits":
        return !/^[1-9]\d*$/.test(value) || secret.bit_length === Number(value);
      case "secret_type":
        return secret.secret_type === value;
      case "created":
      case "updated":
      case "expiration":
        return value.split(",").every((bound) => within(secret[key], bound));
      default:
        return true;
    }
  });
}

function like(text: string | null, pattern: string): boolean {
  const escaped = pattern.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const source = escaped.replaceAll("%", ".*").replaceAll("_", ".");
  return text !== null && new RegExp(`^${source}$`, "su").test(text);
}

function within(time: string | null, bound: string): boolean {
  if (time === null) return false;
  const [, operator, text = ""] = /^(?:(gte?|lte?):)?(.*)$/.exec(bound) ?? [];
  const instant = `${new Date(`${text.slice(0, 23)}Z`).toISOString().slice(0, -1)}${text.slice(23) || "000"}`;
  if (operator === undefined) return time === instant;
  if (time === instant) return operator.endsWith("e");
  return operator.startsWith("g") ? time > instant : time < instant;
}

/** Nothing is less than something. */
function compare(a: string | number | null, b: string | number | null): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  if (typeof a === "string") return Buffer.compare(Buffer.from(a), Buffer.from(String(b)));
  return a < Number(b) ? -1 : 1;
}

const text = (...values: readonly string[]) => fc.constantFrom(...values);

function queries(all: readonly Document[]): fc.Arbitrary<Parameters> {
  const times = all.flatMap(({ created, updated }) => [created, updated]);
  const time = fc.constantFrom(...times, "2031-01-01T00:00:00", "2030-12-31T22:00:00.000");
  const bounds = fc.oneof(
    time,
    fc.tuple(text("gt", "gte", "lt", "lte"), time).map((parts) => parts.join(":")),
    fc
      .tuple(text("gt", "gte"), time, text("lt", "lte"), time)
      .map(([from, since, to, until]) => `${from}:${since},${to}:${until}`),
  );
  const key = text("algorithm", "bit_length", "created", "expiration", "mode", "name", "updated");
  const sort = fc
    .uniqueArray(fc.tuple(fc.oneof(key, text("secret_type")), text("", ":asc", ":desc")), {
      minLength: 1,
      maxLength: 3,
      selector: ([name]) => name,
    })
    .map((parts) => parts.map((part) => part.join("")).join(","));
  return fc.record(
    {
      name: text("a", "A", "a%", "%b", "a_", "_", "a_b", "%", "ünï", "x"),
      alg: text("aes", "AES", "a%", "rsa"),
      mode: text("cbc", "xts", "_ts"),
      bits: text("128", "256", "0", "-1", "x", "99999"),
      secret_type: text("symmetric", "opaque", "private", "public"),
      created: bounds,
      updated: bounds,
      expiration: bounds,
      sort,
    },
    { requiredKeys: [] },
  );
}

/** How many items come for each of five limits. */
async function sizes({ ask }: Harness, collection: string): Promise<readonly number[]> {
  const found = [];
  for (const query of ["", "?limit=0", "?limit=4", "?limit=999", "?limit=x"]) {
    const { json } = await ask("GET", `/v1/${collection}${query}`);
    found.push((json[collection] as unknown[]).length);
  }
  return found;
}

describe("any list of secrets", () => {
  it("has what its filters let through, in its order, page by page, and nothing twice", async (t) => {
    let now = start;
    const harness = await startHarness(t, { clock: systemClock(() => now) });
    await populate(harness, () => {
      now += 1_234;
    });
    const token = "alice/p/member";
    const all = await everything(harness, token, "/v1/secrets?limit=100");
    assert.ok(all.length > 20 && all.length < 36);
    const page = fc.record({ limit: fc.integer({ min: 1, max: 40 }) });
    await holds(
      t,
      fc.asyncProperty(queries(all), page, async (parameters, { limit }) => {
        const search = new URLSearchParams({ ...parameters, limit: String(limit) });
        const found = await everything(harness, token, `/v1/secrets?${search.toString()}`);
        const wanted = expected(all, parameters);
        assert.deepEqual(
          found.map(({ secret_ref }) => secret_ref),
          wanted.map(({ secret_ref }) => secret_ref),
          String(search),
        );
      }),
      { numRuns: 200 },
    );
  });

  it("has as many on a page as it is asked for, within what is configured", async (t) => {
    const asBarbican = await startHarness(t);
    const otherwise = await startHarness(t, { pageSizes: { default: 3, max: 5 } });
    for (const harness of [asBarbican, otherwise])
      for (let index = 0; index < 12; index++) {
        await harness.ask("POST", "/v1/secrets", { body: {} });
        await harness.ask("POST", "/v1/containers", { body: { type: "generic" } });
      }
    for (const collection of ["secrets", "containers"]) {
      assert.deepEqual(await sizes(asBarbican, collection), [10, 1, 4, 12, 10]);
      assert.deepEqual(await sizes(otherwise, collection), [3, 1, 4, 5, 3]);
    }
  });

  it("that asks for what was granted has that of every project, and nothing else", async (t) => {
    let now = start;
    const harness = await startHarness(t, { clock: systemClock(() => now) });
    await populate(harness, () => {
      now += 1_000;
    });
    const granted = await everything(harness, "mallory/third/member", "/v1/secrets?acl_only=true");
    assert.ok(granted.length > 5);
    for (const { secret_ref } of granted) {
      const path = secret_ref.slice(base.length);
      const answer = await harness.ask("GET", path, { token: "mallory/third/member" });
      assert.equal(answer.status, 200, path);
    }
    const own = await everything(harness, "mallory/third/member", "/v1/secrets");
    assert.deepEqual(own, []);
    const aes = "/v1/secrets?acl_only=true&alg=aes&sort=created:desc";
    assert.deepEqual(
      refs(await everything(harness, "mallory/third/member", aes)),
      refs(granted.filter(({ algorithm }) => algorithm === "aes")).toReversed(),
    );
  });

  it("leaves out what has expired, and counts without it", async (t) => {
    let now = start;
    const harness = await startHarness(t, { clock: systemClock(() => now) });
    await populate(harness, () => {
      now += 1_000;
    });
    const token = "alice/p/member";
    const before = await everything(harness, token, "/v1/secrets?limit=100");
    now = Date.parse("2031-01-01T00:00:00Z");
    const left = await everything(harness, token, "/v1/secrets?limit=100");
    const instant = "2031-01-01T00:00:00.000000";
    const alive = before.filter(({ expiration }) => expiration === null || expiration > instant);
    assert.deepEqual(left, alive);
    assert.ok(left.length < before.length);
    const { json } = await harness.ask("GET", "/v1/secrets?limit=1", { token });
    assert.equal(json["total"], left.length);
  });
});
