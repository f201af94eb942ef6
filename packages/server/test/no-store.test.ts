import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { describe, it } from "node:test";
import { KeystoneApi } from "../src/identity/builtin/keystone-api/keystone-api.ts";
import { login, startBuiltinHarness } from "./support/builtin-harness.ts";
import { idOf } from "./support/harness.ts";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

function assertNotKept(headers: Readonly<Record<string, unknown>>, what: string): void {
  assert.equal(headers["cache-control"], "no-store", what);
  const vary = String(headers["vary"]).toLowerCase().split(", ");
  for (const name of [
    "x-auth-token",
    "x-subject-token",
    "x-service-token",
    "accept",
    "openstack-api-version",
  ])
    assert.ok(vary.includes(name), `${what}: Vary has ${name}`);
  // nginx ignores a longer one, and then keeps nothing: but only from 1.23.
  assert.ok(vary.join(", ").length <= 128, what);
}

describe("a cache between server and client", () => {
  it("may keep no answer, whatever the route, the method, the token and the error", async (t) => {
    const { ask, server } = await startBuiltinHarness(t);
    const issued = await ask("POST", "/v3/auth/tokens", { body: login("secret"), token: null });
    assertNotKept(issued.headers, "a new identity token");
    const token = String(issued.headers["x-subject-token"]);
    const secret = { payload: "x", payload_content_type: "text/plain" };
    const made = await ask("POST", "/v1/secrets", { body: secret, token });
    assertNotKept(made.headers, "a new secret");
    const id = idOf(made.json["secret_ref"]);
    for (const [headers, status] of [
      [{ "openstack-api-version": "key-manager x" }, 400],
      [{ "openstack-api-version": "key-manager 9.9" }, 406],
      [{ accept: "image/png" }, 406],
    ] as const) {
      const answer = await ask("GET", "/v1/secrets", { token, headers });
      assert.equal(answer.status, status);
      assertNotKept(answer.headers, `status ${status}`);
    }
    const body = "x".repeat(2_000_000);
    const large = await ask("PUT", `/v1/secrets/${id}`, { token, body });
    assert.equal(large.status, 413);
    assertNotKept(large.headers, "413");
    const patterns = [
      ...server.endpoints.map(({ path }) => path),
      ...KeystoneApi.routes.map(({ path }) => path),
      "/",
      "/healthcheck",
      "/readiness",
      "/metrics",
      "/chatelaine/v1/openapi.json",
      "/v1/nothing",
      "/v3/nothing",
      "/nothing",
      "/v1/%",
      "/v3/%",
      "/%",
      `/v1/${"x".repeat(4_000)}`,
      `/v1/secrets/${"x".repeat(1_500)}`,
    ];
    const seen = new Set<number>();
    for (const pattern of new Set(patterns))
      for (const method of methods)
        for (const who of [token, null, "x", "x".repeat(4_000)]) {
          const path = pattern.replace("/:id", `/${id}`).replaceAll(/:\w+/g, "some");
          const answer = await server.app.inject({
            method: method as "GET",
            url: path,
            headers: { ...(who !== null && { "x-auth-token": who }), "x-subject-token": token },
          });
          seen.add(answer.statusCode);
          assertNotKept(answer.headers, `${method} ${pattern}: ${answer.statusCode}`);
        }
    for (const status of [200, 204, 300, 400, 401, 403, 404, 405, 414, 415])
      assert.ok(seen.has(status), `some answer was ${status}`);
  });

  it("may not keep what Node.js could not even read as a request", async (t) => {
    const { server } = await startBuiltinHarness(t);
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = server.app.server.address() as AddressInfo;
    for (const [sent, status] of [
      ["GET /v1 HTTP/1.1\r\nbad header\r\n\r\n", 400],
      ["nonsense\r\n\r\n", 400],
      ["GET /v1 HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\nconnection: close\r\n\r\n", 417],
      [`GET /v1 HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(40_000)}\r\n\r\n`, 431],
    ] as const) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      let text = "";
      socket.setEncoding("latin1").on("data", (chunk: string) => {
        text += chunk;
      });
      socket.write(sent);
      await once(socket, "close");
      assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(text, /\r\ncache-control: no-store\r\n/);
      const [, body = ""] = text.split("\r\n\r\n");
      assert.equal((JSON.parse(body) as { code: number }).code, status);
    }
  });
});
