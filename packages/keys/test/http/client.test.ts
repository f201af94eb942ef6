import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type HttpCall, HttpClient } from "../../src/http/client.ts";
import { mayHaveTakenEffect } from "../../src/http/may-have-taken-effect.ts";
import type { HttpRequest, HttpResponse } from "../../src/http/send.ts";
import { KeyManagerError } from "../../src/index.ts";
import { refuses } from "../refuses.ts";

type Step = number | Error | HttpResponse | "hang";

function response(status: number, headers: Record<string, string> = {}): HttpResponse {
  return { status, headers: new Map(Object.entries(headers)), body: new Uint8Array() };
}

function systemError(code: string): Error {
  return Object.assign(new Error(`system says ${code}`), { code });
}

/** A client whose server answers with the steps, one after the other. */
function scripted(steps: Step[], options: { retries?: number; timeoutMs?: number } = {}) {
  const requests: HttpRequest[] = [];
  const slept: number[] = [];
  const client = new HttpClient({
    timeoutMs: options.timeoutMs ?? 10_000,
    retries: options.retries ?? 3,
    random: () => 1,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      slept.push(ms);
    },
    send: async (request) => {
      requests.push(request);
      const step = steps.shift() ?? 200;
      if (step === "hang") {
        await new Promise((_, reject) => {
          // As a socket does, this keeps the process alive; a signal's own timer does not.
          const socket = setInterval(() => {}, 1_000);
          request.signal.addEventListener("abort", () => {
            clearInterval(socket);
            reject(request.signal.reason as Error);
          });
        });
      }
      if (step instanceof Error) throw step;
      return typeof step === "number" ? response(step) : (step as HttpResponse);
    },
  });
  return { client, requests, slept };
}

const get: HttpCall = {
  what: "GET x",
  method: "GET",
  url: new URL("http://service.example/x"),
  headers: { "x-auth-token": "the-token" },
  expect: [200],
  repeatable: true,
};
const post: HttpCall = { ...get, what: "POST x", method: "POST", expect: [201], repeatable: false };
const toError = ({ status }: HttpResponse) =>
  new KeyManagerError(
    status === 404 ? "not_found" : status >= 500 ? "unavailable" : "bad_response",
    `status ${status}`,
  );

function proxyError(): KeyManagerError {
  return new KeyManagerError("bad_response", "a proxy's 404");
}

describe("HttpClient", () => {
  it("resolves with an expected status only", async () => {
    assert.equal((await scripted([200]).client.call(get, toError)).status, 200);
    await refuses(scripted([201]).client.call(get, toError), "bad_response", /status 201/);
    await refuses(scripted([200]).client.call(post, toError), "bad_response", /status 200/);
  });

  for (const status of [429, 502, 503, 504]) {
    it(`repeats a repeatable call after ${status}, and no other`, async () => {
      const { client, requests } = scripted([status, status, 200]);
      await client.call(get, toError);
      assert.equal(requests.length, 3);
      const once = scripted([status]);
      await assert.rejects(once.client.call(post, toError));
      assert.equal(once.requests.length, 1);
    });
  }

  for (const status of [400, 401, 403, 404, 409, 500, 501, 302]) {
    it(`does not repeat a call after ${status}`, async () => {
      const { client, requests } = scripted([status]);
      await assert.rejects(client.call(get, toError));
      assert.equal(requests.length, 1);
    });
  }

  it("repeats a repeatable call after a lost connection, and no other", async () => {
    const { client, requests } = scripted([systemError("ECONNRESET"), 200]);
    await client.call(get, toError);
    assert.equal(requests.length, 2);
    const once = scripted([systemError("ECONNRESET")]);
    await refuses(once.client.call(post, toError), "unavailable", /closed before the answer came/);
    assert.equal(once.requests.length, 1);
  });

  it("gives up after the set number of retries, with the last error", async () => {
    const { client, requests } = scripted([503, 503, 504], { retries: 2 });
    await refuses(client.call(get, toError), "unavailable", /status 504/);
    assert.equal(requests.length, 3);
  });

  it("waits longer each time, with jitter, and never longer than five seconds", async () => {
    const { client, slept } = scripted(Array(9).fill(503), { retries: 8 });
    await assert.rejects(client.call(get, toError));
    assert.deepEqual(slept, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  it("waits as long as Retry-After says, within bounds, and not for what it cannot read", async () => {
    for (const [retryAfter, waitMs] of [
      ["2", 2_000],
      ["3600", 5_000],
      ["0", 100],
      ["-5", 100],
      ["Wed, 21 Oct 2026 07:28:00 GMT", 100],
      ["soon", 100],
    ] as const) {
      const { client, slept } = scripted([response(503, { "retry-after": retryAfter }), 200]);
      await client.call(get, toError);
      assert.deepEqual(slept, [waitMs], retryAfter);
    }
  });

  it("ends an attempt that takes too long, and says after how long", async () => {
    const { client, requests } = scripted(["hang", "hang"], { retries: 1, timeoutMs: 5 });
    await refuses(client.call(get, toError), "unavailable", /no answer within 5 ms/);
    assert.equal(requests.length, 2);
  });

  it("ends at once when the caller aborts, with his reason", async () => {
    const abort = new AbortController();
    const { client, requests } = scripted(["hang"]);
    const call = client.call({ ...get, signal: abort.signal }, toError);
    setImmediate(() => abort.abort(new Error("enough")));
    const error = await refuses(call, "unavailable", /aborted by the caller/);
    assert.match(String(error.cause), /enough/);
    assert.equal(requests.length, 1);
  });

  it("ends at once when the caller aborts between attempts", async () => {
    const abort = new AbortController();
    const client = new HttpClient({
      timeoutMs: 1_000,
      retries: 3,
      send: async () => {
        setImmediate(() => abort.abort());
        return response(503);
      },
    });
    await refuses(client.call({ ...get, signal: abort.signal }, toError), "unavailable", /aborted/);
  });

  it("sends nothing if the caller has aborted before", async () => {
    const { client, requests } = scripted([200]);
    const call = client.call({ ...post, signal: AbortSignal.abort() }, toError);
    const error = await refuses(call, "unavailable", /aborted/);
    assert.equal(requests.length, 0);
    assert.equal(mayHaveTakenEffect(error), false);
  });

  describe("a repeated DELETE", () => {
    const remove: HttpCall = { ...get, method: "DELETE", expect: [204] };

    it("has succeeded if the object is gone after a lost reply", async () => {
      for (const lost of [systemError("ECONNRESET"), 502, 504, "hang"] as const) {
        const { client } = scripted([lost, 404], { timeoutMs: 20 });
        assert.equal((await client.call(remove, toError)).status, 404);
      }
    });

    it("has not if the first attempt never arrived, or was turned away", async () => {
      for (const unsent of [systemError("ECONNREFUSED"), 429] as const) {
        const { client } = scripted([unsent, 404]);
        await refuses(client.call(remove, toError), "not_found", /404/);
      }
    });

    it("has not if the 404 is not the service's own", async () => {
      const { client } = scripted([systemError("ECONNRESET"), 404]);
      await refuses(client.call(remove, proxyError), "bad_response", /proxy/);
    });

    it("fails on a 404 at the first attempt", async () => {
      await refuses(scripted([404]).client.call(remove, toError), "not_found", /404/);
    });
  });

  it("knows which failures may hide that something was done", async () => {
    for (const [step, may] of [
      [systemError("ECONNRESET"), true],
      [systemError("EPIPE"), true],
      [500, true],
      [503, true],
      [200, true],
      [408, true],
      [systemError("ECONNREFUSED"), false],
      [systemError("ENOTFOUND"), false],
      [systemError("DEPTH_ZERO_SELF_SIGNED_CERT"), false],
      [400, false],
      [404, false],
      [405, false],
      [429, false],
      [307, false],
    ] as const) {
      const { client } = scripted([step]);
      const error = await client.call(post, toError).catch((thrown: unknown) => thrown);
      assert.equal(mayHaveTakenEffect(error), may, String(step));
    }
  });

  it("keeps of a transport's error what cannot hold the request", async () => {
    const talkative = Object.assign(new Error("x-auth-token: the-token"), {
      code: "ECONNRESET",
      request: { headers: { "x-auth-token": "the-token" } },
      cause: new Error("the-token"),
    });
    for (const thrown of [
      talkative,
      new TypeError("header the-token is bad"),
      "the-token",
      undefined,
    ]) {
      const client = new HttpClient({
        timeoutMs: 100,
        retries: 0,
        send: () => Promise.reject(thrown),
      });
      await refuses(client.call(get, toError), "unavailable", /GET x: http:\/\/service/, [
        "the-token",
      ]);
    }
  });
});
