import assert from "node:assert/strict";
import { type AddressInfo, connect } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { startBuiltinHarness } from "./support/builtin-harness.ts";

const methods = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const open = ["/", "/healthcheck", "/readiness", "/metrics", "/chatelaine/v1/openapi.json"];

/** The status of a request of which only the head was sent */
async function statusOfHead(port: number, head: string, t: TestContext): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write(`${head} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{`);
  for await (const data of socket) return String(data).split(" ")[1] ?? "";
  throw new Error("the connection was closed");
}

function expected(method: string, path: string): string {
  if (method === "OPTIONS") return "200";
  if (open.includes(path)) return "405";
  return path.startsWith("/v1") ? "401" : "404";
}

describe("many strangers who each send half a body", { timeout: 30_000 }, () => {
  it("fill no memory where nothing reads the body", async (t) => {
    const { server } = await startBuiltinHarness(t);
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = server.app.server.address() as AddressInfo;
    for (const path of [...open, "/nothing", "/v1/nothing", "/v1/secrets"])
      for (const method of methods) {
        const status = await statusOfHead(port, `${method} ${path}`, t);
        assert.equal(status, expected(method, path), `${method} ${path}`);
      }
  });
});
