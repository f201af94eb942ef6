import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../../scripts/random-runs.ts";
import { readSecret } from "../../src/barbican/client/secrets.ts";
import { errorObject, jsonObject, timeOf } from "../../src/http/document.ts";
import { KeyManagerError } from "../../src/index.ts";
import { catalogOf } from "../../src/keystone/catalog.ts";
import { identityTokenOf } from "../../src/keystone/identity-token.ts";
import { refuses } from "../refuses.ts";

function response(body: string | Uint8Array) {
  return { status: 200, headers: new Map<string, string>(), body: Buffer.from(body as string) };
}

/** Objects with the fields that are looked for, of any type. */
const hostile = fc.dictionary(
  fc.oneof(
    fc.constantFrom("token", "user", "roles", "project", "catalog", "endpoints", "expires_at"),
    fc.constantFrom("secret_ref", "secret_type", "status", "created", "updated", "consumers"),
    fc.constantFrom("content_types", "bit_length", "id", "type", "url", "interface", "__proto__"),
  ),
  fc.oneof(
    fc.jsonValue(),
    fc.constantFrom("symmetric", "2026-01-01T00:00:00", "x/5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f"),
    fc.array(
      fc.dictionary(fc.constantFrom("type", "endpoints", "name", "service"), fc.jsonValue()),
    ),
  ),
);

describe("answers in JSON", () => {
  it("must be an object", async () => {
    for (const body of ["[]", "null", "1", '"text"', "true"]) {
      await refuses(() => jsonObject("x", response(body)), "bad_response", /no JSON object/);
    }
  });

  it("are not quoted when they cannot be read", async () => {
    for (const body of ["secret-payload", '{"secret": secret-payload', ""]) {
      await refuses(
        () => jsonObject("x", response(body)),
        "bad_response",
        /no JSON: is this the right endpoint\?/,
        ["secret-payload"],
      );
    }
    await refuses(() => jsonObject("x", response(Uint8Array.of(0xff))), "bad_response", /no UTF-8/);
    const deep = "[".repeat(1_000_000);
    await refuses(() => jsonObject("x", response(deep)), "bad_response", /no JSON/);
  });

  it("of errors may be anything", () => {
    for (const body of ["", "<html>", "[]", '{"a":1}']) errorObject(response(body));
  });

  it("never make a reader throw anything but a KeyManagerError", (t) => {
    const readers: ((value: never) => unknown)[] = [
      (value) => readSecret("x", value),
      (value) => identityTokenOf("x", "token", value),
      (value) => identityTokenOf("x", "token", { token: value }),
      (value) => catalogOf("x", [value]),
      (value) => catalogOf("x", Object.values(value)),
    ];
    holds(
      t,
      fc.property(fc.constantFrom(...readers), hostile, (read, value) => {
        try {
          read(JSON.parse(JSON.stringify(value)) as never);
        } catch (error) {
          assert.ok(error instanceof KeyManagerError, String(error));
          assert.equal(error.code, "bad_response");
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("write times in UTC, with a zone or without", async () => {
    const expected = new Date("2026-11-23T16:55:30.714Z");
    for (const text of [
      "2026-11-23T16:55:30.714618",
      "2026-11-23T16:55:30.714618Z",
      "2026-11-23T17:55:30.714618+01:00",
      "2026-11-23 16:55:30.714618",
    ]) {
      assert.deepEqual(timeOf("x", "created", text), expected, text);
    }
    for (const text of ["", "yesterday", "2026-99-99T00:00:00"]) {
      await refuses(() => timeOf("x", "created", text), "bad_response", /"created" is no time/);
    }
  });
});
