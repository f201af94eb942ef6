import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import type { AskedFor } from "../src/identity/identity.ts";
import {
  MalformedTarget,
  maxPathLength,
  maxSegments,
  parseRequestTarget,
  RequestTarget,
} from "../src/model/request-target.ts";
import type { Logger } from "../src/observe/log.ts";
import { startHarness, tokenIdentity } from "./support/harness.ts";
import { raw } from "./support/raw-request.ts";
import { targetFor } from "./support/target.ts";

describe("the target of a request", () => {
  it("is the same for access rules and for the route, whatever is sent", async (t) => {
    const asked: AskedFor[] = [];
    const routed: (readonly [string, Readonly<Record<string, string>>])[] = [];
    const lines: { readonly path?: string }[] = [];
    const log: Logger = {
      info: (members) => void lines.push(members),
      warn: () => undefined,
      error: () => undefined,
      flush: async () => undefined,
    };
    const harness = await startHarness(t, {
      log,
      identity: {
        ...tokenIdentity,
        authenticate: (headers, requestId, askedFor) => {
          if (askedFor) asked.push(askedFor);
          return tokenIdentity.authenticate(headers, requestId);
        },
      },
      policy: { allows: () => true },
    });
    // What the route was given is what the service looks for: the id in the audit record, or in a message.
    harness.server.app.addHook("preHandler", (request, _reply, done) => {
      const { url = "" } = request.routeOptions;
      if (url.startsWith("/v1")) routed.push([url, request.params as Record<string, string>]);
      done();
    });
    const piece = fc.constantFrom(
      ..."/ v1 secrets orders containers metadata payload acl consumers # \\ ; ? . .. % %2F %2f %5c %2e %2E%2e".split(
        " ",
      ),
      ..."%23 %3F %3B %25 %252F %00 %0a %zz %c3%bc %ff %76 %73ecrets : @ + = ~ http://h //h *".split(
        " ",
      ),
      "\x01",
      "\xe9",
      "{",
    );
    const target = fc
      .tuple(
        fc.constantFrom("/v1/secrets/", "/v1/", "/", "http://h/v1/secrets/", "//v1/orders/", ""),
        fc.array(piece, { maxLength: 6 }),
      )
      .map(([start, parts]) => start + parts.join(""));
    await holds(
      t,
      fc.asyncProperty(target, async (text) => {
        asked.length = routed.length = lines.length = 0;
        const { status } = await raw(harness, `GET ${text}`, { "x-auth-token": "alice/p/member" });
        const parsed = parseRequestTarget(text, "GET");
        const [seen] = asked;
        const [route] = routed;
        // Node.js itself refuses some, before there is anything to log.
        if (parsed instanceof MalformedTarget || lines.length === 0) {
          assert.deepEqual([asked, routed], [[], []], text);
          assert.ok(status === 400 || status === 414, `${text}: ${status}`);
          return;
        }
        assert.equal(lines.at(-1)?.path, parsed.path, text);
        if (seen) assert.equal(seen.target.path, parsed.path, text);
        if (!route) return;
        assert.ok(seen, text);
        // The pattern, with what the router read put into it, is the path that the rules were compared with.
        const [pattern, parameters] = route;
        const filled = pattern
          .slice(1)
          .split("/")
          .map((part) => (part.startsWith(":") ? parameters[part.slice(1)] : part));
        assert.deepEqual(filled, seen.target.segments, text);
      }),
      { numRuns: 3_000 },
    );
  });

  it("is one thing to the parser however often it is parsed", (t) => {
    const letters = fc.constantFrom(
      ..."/v1ab.~!$&'()*+,=:@%2F5c00zé \\;#?".split(""),
      "%C3%BC",
      "..",
    );
    holds(
      t,
      fc.property(fc.array(letters, { maxLength: 30 }), (parts) => {
        const first = parseRequestTarget(`/${parts.join("")}`, "GET");
        if (first instanceof MalformedTarget) return;
        const second = targetFor(first.url);
        assert.deepEqual([second.url, second.segments], [first.url, first.segments]);
        for (const segment of first.segments) {
          assert.ok(segment !== "" && segment !== "." && segment !== "..");
          assert.doesNotMatch(segment, /[/\\\p{Cc}]/u);
        }
        assert.equal(first.path, `/${first.path.split("/").filter(Boolean).join("/")}`);
      }),
      { numRuns: 5_000 },
    );
  });

  it("has one form for each way to write it", () => {
    for (const [text, url] of [
      ["/", "/"],
      ["/v1", "/v1"],
      ["/v1/", "/v1"],
      ["//v1//secrets//", "/v1/secrets"],
      ["/%76%31/%73ecrets/a%2db", "/v1/secrets/a-b"],
      ["/v1/%c3%bc", "/v1/%C3%BC"],
      ["/v1/a%3bb%20", "/v1/a%3Bb%20"],
      ["/v1/a:b@c+d=e,f$g&h", "/v1/a:b@c+d=e,f$g&h"],
      ["/v1/a%3Ab", "/v1/a:b"],
      ["/v1/%252F", "/v1/%252F"],
      ["/v1/secrets?limit=1&name=%zz", "/v1/secrets?limit=1&name=%zz"],
      ["/v1/secrets?a=/../b", "/v1/secrets?a=/../b"],
      ["/v1/secrets?", "/v1/secrets"],
      ["http://keys.test:9311/v1/secrets?x=y", "/v1/secrets?x=y"],
      ["HTTPS://[::1]/v1/", "/v1"],
      ["http://keys.test", "/"],
      ["http://keys.test?x", "/?x"],
    ] as const)
      assert.equal(targetFor(text).url, url, text);
    assert.equal(targetFor("*", "OPTIONS").path, "/");
  });

  it("is refused where two programs could read two things", () => {
    for (const text of [
      "",
      "*",
      "v1/secrets",
      "keys.test:9311",
      "ftp://keys.test/v1",
      "http:///v1",
      "http://user@keys.test/v1",
      "http://user:password@keys.test/v1",
      "http://keys.test\\v1",
      "http://keys.test#/v1",
      "/v1#",
      "/v1?x#y",
      "/v1?x y",
      "/v1;a=b/secrets",
      "/v1\\secrets",
      "/v1/%",
      "/v1/%zz",
      "/v1/%c3",
      "/v1/%c0%af",
      "/v1/%ed%a0%80",
      "/v1/%2f",
      "/v1/%5C",
      "/v1/%00",
      "/v1/%0d%0a",
      "/v1/%7f",
      "/v1/%c2%85",
      "/v1/.",
      "/v1/..",
      "/v1/%2e%2E/x",
      "/./v1",
      "/v1/\xfc",
      "/v1/a b",
      '/v1/"',
      "/v1/{id}",
      "/v1/\t",
      `/${"a/".repeat(maxSegments + 1)}`,
    ]) {
      const target = parseRequestTarget(text, "GET");
      assert.ok(target instanceof MalformedTarget, text);
      assert.equal(target.status, 400, text);
    }
    const long = parseRequestTarget(`/v1/${"a".repeat(maxPathLength)}`, "GET");
    assert.equal(long instanceof MalformedTarget && long.status, 414);
  });

  it("has the form of error of its API, and the log has nothing of it", async (t) => {
    const lines: string[] = [];
    const write = (members: object) => void lines.push(JSON.stringify(members));
    const log = { info: write, warn: write, error: write, flush: async () => undefined };
    const harness = await startHarness(t, { log });
    const answers = [
      await raw(harness, `GET /v1/secrets/hushhush%00${"x".repeat(30_000)}`),
      await raw(harness, "GET /v1/secrets/hushhush%00"),
      await raw(harness, "GET /v3/users/hushhush%00"),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [414, 400, 400],
    );
    for (const { head } of answers) {
      assert.match(head, /cache-control: no-store/i);
      assert.match(head, /x-openstack-request-id: req-/i);
    }
    const bodies = answers.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    assert.equal(bodies[1]?.["title"], "Bad Request");
    assert.deepEqual(Object.keys(bodies[2] ?? {}), ["error"]);
    assert.equal(lines.length, 3);
    for (const line of lines) assert.doesNotMatch(line, /hushhush/);
    for (const line of lines) assert.ok(line.length < 500, line);
  });

  it("is made by the parser alone", () => {
    const forged = { path: "/v1/secrets", query: "", url: "/v1/secrets", segments: ["v1"] };
    // @ts-expect-error an object with the same members is no target
    const target: RequestTarget = forged;
    assert.ok(!(target instanceof RequestTarget));
  });
});
