/** The log's line of each request. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { describe, it } from "node:test";
import { type Logger, silentLogger } from "../src/observe/log.ts";
import { startHarness } from "./support/harness.ts";

describe("the log", { timeout: 60_000 }, () => {
  it("has one line of a request, also if its client left before it was answered", async (t) => {
    const statuses: unknown[] = [];
    const left = Promise.withResolvers<void>();
    const log: Logger = {
      ...silentLogger,
      info: (members, message) => {
        if (message !== "request") return;
        const { status } = members as { readonly status: number };
        statuses.push(status);
        if (status === 499) left.resolve();
      },
    };
    const { server, ask } = await startHarness(t, { log });
    await ask("GET", "/v1/orders");
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = server.app.server.address() as AddressInfo;
    const socket = connect(port, "127.0.0.1");
    const head = "POST /v1/secrets HTTP/1.1\r\nHost: x\r\nX-Auth-Token: alice/p/member\r\n";
    socket.write(`${head}Content-Length: 20\r\nExpect: 100-continue\r\n\r\n`);
    await once(socket, "data");
    socket.destroy();
    await left.promise;
    const answer = await fetch(`http://127.0.0.1:${port}/v1`);
    assert.equal(answer.status, 401);
    await answer.arrayBuffer();
    assert.deepEqual(statuses, [200, 499, 401]);
  });
});
