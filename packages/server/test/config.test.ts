import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { loadServerConfig } from "../src/config/config.ts";
import { flagOf, settingNames, variableOf } from "../src/config/settings.ts";
import { isServerError } from "../src/model/server-error.ts";
import { temporaryFolder } from "./support/harness.ts";

const environment = { CHATELAINE_SERVER_IDENTITY_MODE: "builtin" };

/** What it is refused with. */
function message(sources: object): string {
  try {
    loadServerConfig({ environment: {}, ...sources });
  } catch (error) {
    return isServerError(error, "invalid_config") ? error.message : "";
  }
  return "";
}

describe("the server's configuration", () => {
  it("lets a flag beat the environment, that the file, and that the default", (t) => {
    const file = join(temporaryFolder(t), "server.yaml");
    writeFileSync(
      file,
      "listen:\n  port: 1\n  host: ::1\nquotas: { secrets: 7 }\nidentity:\n  serviceTokenRoles: [service, relay]\n",
    );
    const config = loadServerConfig({
      file,
      environment: {
        ...environment,
        CHATELAINE_SERVER_LISTEN_PORT: "2",
        CHATELAINE_SERVER_QUOTAS_SECRETS: "",
      },
      flags: { "--listen-port": "3", "--listen-host": undefined },
    });
    assert.equal(config.integer("listen.port"), 3);
    assert.equal(config.text("listen.host"), "::1");
    assert.equal(config.integer("quotas.secrets"), 7);
    assert.equal(config.integer("quotas.orders"), -1);
    assert.deepEqual(config.list("identity.serviceTokenRoles"), ["service", "relay"]);
    assert.equal(config.publicUrl(9311), "http://[::1]:9311");
    assert.match(config.describe(), /^listen\.port: 3 {2}# --listen-port$/m);
  });

  it("does not take a truncated file for one that leaves every setting at its default", (t) => {
    const file = join(temporaryFolder(t), "server.yaml");
    for (const text of ["", " \n\n"]) {
      writeFileSync(file, text);
      assert.match(
        message({ file }),
        /server\.yaml: the file is empty, .*; write it again, or write \{\}/,
      );
    }
    for (const text of ["{}\n", "# listen: { port: 9311 }\n"]) {
      writeFileSync(file, text);
      assert.equal(message({ file }), "");
    }
  });

  it("refuses a name it does not know, with the likely right one", (t) => {
    const file = join(temporaryFolder(t), "server.yaml");
    writeFileSync(file, "listen: { prot: 1 }");
    assert.match(message({ file }), /unknown setting listen\.prot; did you mean "listen\.port"\?/);
    assert.match(message({ flags: { "--listen-prot": "1" } }), /did you mean "--listen-port"/);
    assert.match(
      message({ environment: { CHATELAINE_SERVER_LISTEN_PROT: "1" } }),
      /did you mean "CHATELAINE_SERVER_LISTEN_PORT"/,
    );
    assert.match(
      message({ flags: { "--policy-rules": "secur" } }),
      /one of secure, legacy; did you mean "secure"/,
    );
    assert.match(message({ flags: { "--listen-port": "x" } }), /whole number/);
    assert.match(message({ flags: { "--listen-port": "70000" } }), /65535/);
    for (const [flag, value, needed] of [
      ["--listen-port", "-1", /0 or more/],
      ["--postgres-connections", "0", /1 or more/],
      ["--delete-retention-seconds", "-1", /0 or more/],
      ["--keystone-token-cache-seconds", "-1", /0 or more/],
      ["--identity-token-seconds", "0", /1 or more/],
      ["--quotas-secrets", "-2", /-1 or more/],
      ["--limits-body-bytes", "0", /1 or more/],
      ["--limits-request-timeout-ms", "0", /1 or more/],
      ["--limits-page-items", "101", /not be more than limits\.maxPageItems/],
      ["--limits-payload-bytes", "1000000", /limits\.bodyBytes must be 1250000 or more/],
    ] as const)
      assert.match(message({ flags: { [flag]: value } }), needed, `${flag} ${value}`);
    assert.match(message({ flags: { "--metrics-enabled": "yes" } }), /true or false/);
    assert.match(message({ flags: { "--tls-key-file": "x" } }), /must be set together/);
    assert.match(
      message({ flags: { "--identity-mode": "keystone" } }),
      /keystone\.authUrl is not set/,
    );
    assert.match(message({ flags: { "--public-url": "ftp://x" } }), /http or https/);
    assert.match(message({ file: "/nonexistent/server.yaml" }), /ENOENT/);
  });

  it("shows no password of a database URL that it cannot use, and makes no file of that name", () => {
    for (const database of [
      "POSTGRES://user:hushhush@db.example.com/keys",
      "Postgresql://user:hushhush@db.example.com/keys",
      "postgres:/user:hushhush@db.example.com/keys",
      "postgres:user:hushhush@db.example.com/keys",
      "postgress://user:hushhush@db.example.com/keys",
      "mysql+ssl://user:hushhush@db.example.com/keys",
      "file:keys.db?mode=memory",
      ":memory:",
    ])
      assert.throws(
        () => loadServerConfig({ environment: { CHATELAINE_SERVER_DATABASE: database } }),
        (error) => {
          assert.ok(isServerError(error, "invalid_config"));
          assert.match(error.message, /^database must be a SQLite file, or a URL that begins with/);
          assert.doesNotMatch(error.message, /hushhush/);
          return true;
        },
      );
    for (const database of ["keys.db", "/var/lib/a:b.db", "postgres://db/keys", "./postgres.db"])
      loadServerConfig({ environment: { CHATELAINE_SERVER_DATABASE: database } });
  });

  it("has a flag and a variable of its own for each setting", () => {
    assert.equal(new Set(settingNames.map(flagOf)).size, settingNames.length);
    assert.equal(new Set(settingNames.map(variableOf)).size, settingNames.length);
    assert.equal(
      variableOf("keystone.applicationCredentialId"),
      "CHATELAINE_SERVER_KEYSTONE_APPLICATION_CREDENTIAL_ID",
    );
  });
});
