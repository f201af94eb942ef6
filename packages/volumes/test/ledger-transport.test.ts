import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openPostgresLedger, type PostgresPool, VolumeError } from "../src/index.ts";

const on = () => undefined;

/** A pool of one connection, which notes what it is asked and then refuses. */
function poolTo(host: string, ssl: unknown, asked: string[]): PostgresPool {
  return {
    on,
    connect: async () => ({
      host,
      ssl,
      on,
      off: on,
      release: on,
      query: async (text: string) => {
        asked.push(text);
        throw Object.assign(new Error("asked"), { code: "42501" });
      },
    }),
  };
}

const open = async (host: string, ssl: unknown, insecureTransport?: boolean) => {
  const asked: string[] = [];
  const error: unknown = await openPostgresLedger({
    pool: poolTo(host, ssl, asked),
    host: "node-7",
    ...(insecureTransport !== undefined && { insecureTransport }),
  }).catch((reason: unknown) => reason);
  assert.ok(error instanceof VolumeError);
  return { statements: asked.filter((text) => text !== "ROLLBACK").length, message: error.message };
};

describe("a network between a host and the ledger", () => {
  it("reads and changes no row of it, unless the operator says so", async () => {
    for (const [host, ssl] of [
      ["db.example.org", false],
      ["db.example.org", undefined],
      ["10.0.0.7", false],
      ["127.0.0.1.example.org", false],
      ["db.example.org", { rejectUnauthorized: false }],
    ] as const) {
      const { statements, message } = await open(host, ssl);
      assert.equal(statements, 0, `${host}: ${message}`);
      assert.match(message, /add sslmode=verify-full/);
      assert.ok((await open(host, ssl, true)).statements > 0);
    }
    for (const [host, ssl] of [
      ["db.example.org", true],
      ["db.example.org", {}],
      ["127.0.0.1", false],
      ["localhost", false],
      ["::1", false],
      ["/var/run/postgresql", false],
    ] as const)
      assert.ok((await open(host, ssl)).statements > 0, host);
  });
});
