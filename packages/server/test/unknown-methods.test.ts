/** Methods that no route has, such as those of WebDAV: every path answers them alike. */
import assert from "node:assert/strict";
import { METHODS, request } from "node:http";
import type { AddressInfo } from "node:net";
import { it } from "node:test";
import { startBuiltinHarness } from "./support/builtin-harness.ts";
import { idOf, startHarness } from "./support/harness.ts";

/** CONNECT has no path; the others have answers of their own. */
const unknown = METHODS.filter(
  (method) => !["CONNECT", "OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE"].includes(method),
);

it("a path that exists answers a method that it does not have with 405 and those that it has", async (t) => {
  const { ask } = await startHarness(t);
  const body = { payload: "x", payload_content_type: "text/plain" };
  const id = idOf((await ask("POST", "/v1/secrets", { body })).json["secret_ref"]);
  for (const method of unknown) {
    for (const [path, allow] of [
      ["/v1/secrets", "GET, POST"],
      [`/v1/secrets/${id}`, "DELETE, GET, PUT"],
      ["/v1/orders", "GET, POST, PUT"],
      ["/", "GET"],
      ["/healthcheck", "GET"],
    ] as const) {
      const { status, headers } = await ask(method, path);
      assert.deepEqual([status, headers["allow"]], [405, allow], `${method} ${path}`);
    }
    for (const [path, token, status] of [
      ["/v1/nothing", undefined, 404],
      ["/v1/secrets/00000000-0000-4000-8000-000000000000", undefined, 404],
      ["/v1/secrets", null, 401],
    ] as const) {
      const answer = await ask(method, path, token === undefined ? {} : { token });
      assert.equal(answer.status, status, `${method} ${path}`);
    }
  }
});

it("so do built-in identity, and a server behind a socket", async (t) => {
  const { server } = await startBuiltinHarness(t);
  await server.app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = server.app.server.address() as AddressInfo;
  for (const method of unknown)
    for (const [path, status, allow] of [
      ["/v3/auth/tokens", 405, "DELETE, GET, POST"],
      ["/v3/nothing", 404, undefined],
      ["/metrics", 405, "GET"],
    ] as const) {
      const found = await new Promise((resolve, reject) => {
        const sent = request({ port, method, path, headers: { connection: "close" } }, (answer) => {
          answer.resume();
          resolve([answer.statusCode, answer.headers.allow]);
        });
        sent.on("error", reject).end();
      });
      assert.deepEqual(found, [status, allow], `${method} ${path}`);
    }
});
