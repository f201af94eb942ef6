/** Several requests that a client sends without waiting for answers. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { describe, it } from "node:test";
import { type Harness, startHarness } from "./support/harness.ts";

const get = "GET /v1/orders HTTP/1.1\r\nHost: x\r\nX-Auth-Token: alice/p/member\r\n\r\n";
const post =
  "POST /v1/secrets HTTP/1.1\r\nHost: x\r\nX-Auth-Token: alice/p/member\r\n" +
  "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const badChunk =
  "POST /v1/secrets HTTP/1.1\r\nHost: x\r\nX-Auth-Token: alice/p/member\r\n" +
  "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n";

/** Sends texts one after another; resolves to the statuses that came back before the connection was closed. */
async function statusesOf({ server }: Harness, ...texts: readonly string[]): Promise<number[]> {
  if (!server.app.server.listening) await server.app.listen({ host: "127.0.0.1", port: 0 });
  const socket = connect((server.app.server.address() as AddressInfo).port, "127.0.0.1");
  let found = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    found += chunk;
  });
  socket.on("error", () => undefined);
  for (const text of texts) socket.write(text);
  await once(socket, "close");
  return [...found.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
}

describe("requests that are sent together", () => {
  it("are answered in their order, and what cannot be read after them last", async (t) => {
    const harness = await startHarness(t);
    assert.deepEqual(await statusesOf(harness, `${post}nonsense\r\n\r\n`), [201, 400]);
    assert.deepEqual(
      await statusesOf(harness, `${get}${post}${get}nonsense\r\n\r\n`),
      [200, 201, 200, 400],
    );
    const listed = await harness.ask("GET", "/v1/secrets");
    assert.equal(listed.json["total"], 2);
  });

  it("are answered before a body that cannot be read", async (t) => {
    const harness = await startHarness(t);
    assert.deepEqual(await statusesOf(harness, badChunk), [400]);
    assert.deepEqual(await statusesOf(harness, `${post}${badChunk}`), [201, 400]);
    const listed = await harness.ask("GET", "/v1/secrets");
    assert.equal(listed.json["total"], 1);
  });

  it("get one refusal, however much follows that cannot be read", async (t) => {
    const harness = await startHarness(t);
    const more = Array.from({ length: 20 }, () => "more\r\n\r\n".repeat(1_000));
    assert.deepEqual(await statusesOf(harness, post, "nonsense\r\n\r\n", ...more), [201, 400]);
  });
});
