/** What Barbican takes for an expiration: the verdicts are those of Python's iso8601, which it asks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseTimestamp } from "../src/routes/timestamp.ts";
import { idOf, startHarness } from "./support/harness.ts";

const accepted: readonly (readonly [string, string])[] = [
  ["20301231T235959Z", "2030-12-31T23:59:59.000000"],
  ["2030-1-5", "2030-01-05T00:00:00.000000"],
  ["2030-12", "2030-12-01T00:00:00.000000"],
  ["2030-1", "2030-01-01T00:00:00.000000"],
  ["2031", "2031-01-01T00:00:00.000000"],
  ["20301231", "2030-12-31T00:00:00.000000"],
  ["2030-1231", "2030-12-31T00:00:00.000000"],
  ["203012-31", "2030-12-31T00:00:00.000000"],
  ["2030-12-31T23", "2030-12-31T23:00:00.000000"],
  ["2030-12-31 2359", "2030-12-31T23:59:00.000000"],
  ["2030-12-31T23:59:5", "2030-12-31T23:59:05.000000"],
  ["2030-12-31T23:59:59,25", "2030-12-31T23:59:59.250000"],
  ["2030-12-31T23:59:59.1234567Z", "2030-12-31T23:59:59.123456"],
  ["2030-12-31T10:00+23:59", "2030-12-30T10:01:00.000000"],
  ["2030-12-31T10:00:00-05", "2030-12-31T15:00:00.000000"],
  ["2030-12-31T10:00:00+0200", "2030-12-31T08:00:00.000000"],
  ["2030-12-31T10:00:00+02:", "2030-12-31T08:00:00.000000"],
  ["2030-12-31T10:00:00+22:99", "2030-12-30T10:21:00.000000"],
  ["2030-12-31T10+01", "2030-12-31T09:00:00.000000"],
  ["  2030-12-31  ", "2030-12-31T00:00:00.000000"],
];

const refused: readonly string[] = [
  "2030-12-31T10:00:00+25:00",
  "2030-12-31T10:00:00+24:00",
  "2030-12-31T10:00:00-23:60",
  "2030-12-31T10:00:00 Z",
  "2030-12-31T10:00:00 +01:00",
  "2030-12-31T10:00:00z",
  "2030-12-31t10:00:00",
  "2030-12-31T10:00:00+1:00",
  "2030-12-31T10:00:00+1",
  "2030-12-31T",
  "2030-12-31Z",
  "2030-12-31T1:00",
  "2030-12-31T24:00:00",
  "2030-12-31T10:60",
  "2030-12-31T10:00:60",
  "2030-12-31T10:00:00.",
  "203012",
  "2030123",
  "2030-13",
  "2030-0",
  "2030-12-32",
  "2030-02-30",
  "2030-001",
  "2030-W01-1",
  "2030/12/31",
  "0000-01-01",
  "30-12-31",
  "9999-12-31T23:59:59-01:00",
  "1924905599",
  "tomorrow",
  "٢٠٣٠-١٢-٣١",
];

describe("an expiration", () => {
  it("is taken in every form that Barbican takes", async (t) => {
    const { ask } = await startHarness(t);
    for (const [text, wanted] of accepted) {
      const made = await ask("POST", "/v1/secrets", { body: { expiration: text } });
      assert.equal(made.status, 201, text);
      const path = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
      assert.equal((await ask("GET", path)).json["expiration"], wanted, text);
    }
  });

  it("is refused in every form that Barbican refuses", async (t) => {
    const { ask } = await startHarness(t);
    for (const text of refused)
      assert.equal(
        (await ask("POST", "/v1/secrets", { body: { expiration: text } })).status,
        400,
        text,
      );
  });

  it("is one at the ends of the calendar", () => {
    assert.equal(parseTimestamp("0001-01-01"), "0001-01-01T00:00:00.000000");
    assert.equal(parseTimestamp("9999-12-31T23:59:59Z"), "9999-12-31T23:59:59.000000");
    assert.equal(parseTimestamp("0001-01-01T00:00:00+00:01"), undefined);
    assert.equal(parseTimestamp("2028-02-29"), "2028-02-29T00:00:00.000000");
    assert.equal(parseTimestamp("2100-02-29"), undefined);
  });
});

describe("a filter by time", () => {
  it("takes a zone whose + came as a blank, and the short forms", async (t) => {
    const { ask } = await startHarness(t);
    await ask("POST", "/v1/secrets", { body: { expiration: "2030-12-31T10:00:00" } });
    for (const [filter, total] of [
      ["lt:2030-12-31T12:00:01 02:00", 1],
      ["lt:2030-12-31T12:00:00 02:00", 0],
      ["gte:2030-12,lt:2031", 1],
      ["2030-12-31 10", 1],
      ["20301231T100000Z", 1],
    ] as const) {
      const path = `/v1/secrets?expiration=${encodeURIComponent(filter)}`;
      assert.equal((await ask("GET", path)).json["total"], total, filter);
    }
  });
});
