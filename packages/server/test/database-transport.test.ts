import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadServerConfig } from "../src/config/config.ts";
import { diagnoseServer } from "../src/maintenance/diagnose.ts";
import { systemClock } from "../src/model/clock.ts";
import { ServerError } from "../src/model/server-error.ts";
import { openStore } from "../src/parts/open-store.ts";
import { poolConfig } from "../src/store/postgres/postgres-options.ts";
import { temporaryFolder } from "./support/harness.ts";

const now = "2026-01-01T00:00:00.000000";
const remote = "postgres://u:hushhush@db.example.com/keys";

const refused = [
  remote,
  `${remote}?sslmode=disable`,
  `${remote}?sslmode=no-verify`,
  `${remote}?ssl=no-verify`,
  `${remote}?ssl=0`,
  `${remote}?uselibpqcompat=true&sslmode=require`,
  `${remote}?uselibpqcompat=true&sslmode=prefer`,
  "postgresql://u:hushhush@db.example.com/keys",
  "postgres://u:hushhush@10.0.0.7:5432/keys",
  "postgres://u:hushhush@[2001:db8::7]/keys",
  "postgres://u:hushhush@127.0.0.1.example.com/keys",
  "postgres://u:hushhush@localhost.example.com/keys",
  // What is in the query counts, not what the URL begins with.
  "postgres://u:hushhush@127.0.0.1/keys?host=db.example.com",
];

const accepted = [
  `${remote}?sslmode=verify-full`,
  `${remote}?sslmode=require`,
  `${remote}?ssl=true`,
  "postgres://u:hushhush@127.0.0.1/keys",
  "postgres://u:hushhush@LOCALHOST:5432/keys",
  "postgres://u:hushhush@[::1]/keys",
  "postgres://u:hushhush@127.8.9.1/keys?sslmode=disable",
  "postgres:///keys?host=/var/run/postgresql",
  "postgres://u:hushhush@%2Fvar%2Frun%2Fpostgresql/keys",
];

const isRefusal = (error: unknown) =>
  error instanceof ServerError &&
  error.code === "insecure" &&
  error.message.includes("sslmode=verify-full") &&
  !error.message.includes("hushhush");

describe("a network between the server and its database", () => {
  it("reads no password and no row, unless the operator says so", () => {
    for (const url of refused) {
      assert.throws(() => poolConfig({ url, now }), isRefusal, url);
      assert.equal(poolConfig({ url, now, insecureTransport: true }).connectionString, url);
    }
    for (const url of accepted) assert.equal(poolConfig({ url, now }).connectionString, url);
  });

  it("is also what PGHOST and PGSSLMODE say", (t) => {
    const before = { PGHOST: process.env["PGHOST"], PGSSLMODE: process.env["PGSSLMODE"] };
    t.after(() => {
      for (const [name, value] of Object.entries(before))
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    });
    process.env["PGHOST"] = "db.example.com";
    assert.throws(() => poolConfig({ url: "postgres:///keys", now }), isRefusal);
    process.env["PGSSLMODE"] = "no-verify";
    assert.throws(() => poolConfig({ url: "postgres:///keys", now }), isRefusal);
    process.env["PGSSLMODE"] = "verify-full";
    poolConfig({ url: "postgres:///keys", now });
  });

  it("is refused by a server that starts, and found by doctor", async (t) => {
    const environment = {
      CHATELAINE_SERVER_DATABASE: remote,
      CHATELAINE_SERVER_DATA_DIRECTORY: temporaryFolder(t),
    };
    const config = loadServerConfig({ environment });
    await assert.rejects(openStore(config, systemClock()), isRefusal);
    const found = (await diagnoseServer(config)).find(({ check }) => check === "database");
    assert.equal(found?.state, "bad");
    assert.match(found?.found ?? "", /without TLS; add sslmode=verify-full/);
  });
});
