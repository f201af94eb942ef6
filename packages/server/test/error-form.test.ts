/** The form of what goes wrong under /v1: one, whatever goes wrong, for every route and method. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { describe, it } from "node:test";
import { startBuiltinHarness } from "./support/builtin-harness.ts";
import { type AskOptions, type Harness, startHarness } from "./support/harness.ts";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"];
const version = (text: string): AskOptions => ({ headers: { "openstack-api-version": text } });

/** What can be wrong with a request, whatever it asks for. */
const faults: readonly (readonly [string, AskOptions])[] = [
  ["nothing", {}],
  ["no token", { token: null }],
  ["an unknown token", { token: "x".repeat(4_000) }],
  ["a token without a project", { token: "unscoped" }],
  ["identity that is away", { token: "away" }],
  ["a role that may nothing", { token: "n/p/none" }],
  ["a version that cannot be read", version("key-manager 99999999999.1")],
  ["a version that is not served", version("key-manager 1.9")],
  ["another Accept", { headers: { accept: "text/html, text/plain" } }],
  ["a body of another type", { body: "x", headers: { "content-type": "text/plain" } }],
  ["no type", { body: "x" }],
  ["a body that is no JSON", { body: "{", headers: { "content-type": "application/json" } }],
];

function assertForm(answer: { text: string; headers: Item; status: number }, said: string): void {
  assert.match(String(answer.headers["content-type"]), /^application\/json/, said);
  const json = JSON.parse(answer.text) as Item;
  assert.deepEqual(Object.keys(json), ["code", "title", "description"], said);
  assert.equal(json["code"], answer.status, said);
}

type Item = Readonly<Record<string, unknown>>;

/** Sends the same to a server that listens; resolves to what came back. */
async function sendRaw(
  { server }: Harness,
  text: string,
): Promise<Parameters<typeof assertForm>[0]> {
  if (!server.app.server.listening) await server.app.listen({ host: "127.0.0.1", port: 0 });
  const socket = connect((server.app.server.address() as AddressInfo).port, "127.0.0.1");
  let found = "";
  socket.on("error", () => undefined).setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    found += chunk;
  });
  socket.write(text, "latin1");
  await once(socket, "close");
  const [head = "", body = ""] = found.split("\r\n\r\n");
  const type = /^content-type: (.*)$/im.exec(head)?.[1];
  return {
    status: Number(head.split(" ")[1]),
    headers: { "content-type": type?.trim() },
    text: body,
  };
}

describe("an error of the key manager's API", () => {
  it("has one form, whatever the route, the method and the fault", async (t) => {
    const { ask, server } = await startHarness(t);
    const seen = new Set<number>();
    const paths = [...server.endpoints.map(({ path }) => path), "/v1/nothing", "/v1/secrets/x/y/z"];
    for (const path of paths) {
      const filled = path.replaceAll(/:\w+/g, "00000000-0000-4000-8000-000000000000");
      for (const method of methods)
        for (const [fault, options] of faults) {
          const answer = await ask(method, filled, options);
          if (answer.status < 400) continue;
          seen.add(answer.status);
          assertForm(answer, `${method} ${path} with ${fault}: ${answer.text}`);
        }
    }
    for (const status of [400, 401, 403, 404, 405, 406, 415, 503])
      assert.ok(seen.has(status), `some answer was ${status}`);
  });

  it("has it where the request cannot even be routed", async (t) => {
    const harness = await startHarness(t);
    const end = "Host: x\r\nX-Auth-Token: alice/p/member\r\nConnection: close";
    for (const [sent, status] of [
      [`GET /v1/%00 HTTP/1.1\r\n${end}\r\n\r\n`, 400],
      [`GET /v1/${"x".repeat(4_000)} HTTP/1.1\r\n${end}\r\n\r\n`, 414],
      [`GET http://h/v1/%00 HTTP/1.1\r\n${end}\r\n\r\n`, 400],
      [`GET /v1 HTTP/1.1\r\n${end}\r\nExpect: wonders\r\n\r\n`, 417],
      [`GET /v1 HTTP/1.1\r\n${end}\r\nX: ${"x".repeat(40_000)}\r\n\r\n`, 431],
      ["GET /v1 HTTP/1.1\r\nnonsense\r\n\r\n", 400],
      ["GET /v1 HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
      [`GET /v1 HTTP/1.1\r\nhOST: y\r\n${end}\r\n\r\n`, 400],
      [
        `POST /v1/secrets HTTP/1.1\r\n${end}\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
        415,
      ],
    ] as const) {
      const answer = await sendRaw(harness, sent);
      assert.equal(answer.status, status, sent.slice(0, 80));
      assertForm(answer, sent.slice(0, 80));
    }
  });
});

describe("an error of the identity API", () => {
  it("has Keystone's form in every form of the target", async (t) => {
    const harness = await startBuiltinHarness(t);
    const end = "Host: x\r\nConnection: close";
    for (const [sent, status] of [
      [`GET /v3/%00 HTTP/1.1\r\n${end}\r\n\r\n`, 400],
      [`GET http://proxy.test/v3/users/%00 HTTP/1.1\r\n${end}\r\n\r\n`, 400],
      [`GET http://user@proxy.test/v3/users HTTP/1.1\r\n${end}\r\n\r\n`, 400],
      [`GET http://proxy.test//v3/${"x".repeat(4_000)} HTTP/1.1\r\n${end}\r\n\r\n`, 414],
      [`GET /%763/users/%00 HTTP/1.1\r\n${end}\r\n\r\n`, 400],
      [`GET http://proxy.test/v3/nothing HTTP/1.1\r\n${end}\r\n\r\n`, 404],
      [`GET http://proxy.test/v3 HTTP/1.1\r\n${end}\r\nExpect: wonders\r\n\r\n`, 417],
    ] as const) {
      const answer = await sendRaw(harness, sent);
      assert.equal(answer.status, status, sent.slice(0, 80));
      const { error } = JSON.parse(answer.text) as { error: Item };
      assert.deepEqual(Object.keys(error).toSorted(), ["code", "message", "title"]);
      assert.equal(error["code"], status);
    }
  });
});
