import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settingsFromEnvironment } from "../../src/index.ts";
import { refuses } from "../refuses.ts";

const openrc = {
  OS_AUTH_URL: "http://k:5000/v3",
  OS_USERNAME: "alice",
  OS_PASSWORD: "the password",
  OS_PROJECT_NAME: "p",
};

describe("settingsFromEnvironment", () => {
  it("reads what an openrc file sets", () => {
    const settings = settingsFromEnvironment({
      ...openrc,
      OS_PROJECT_ID: "pid",
      OS_USER_DOMAIN_NAME: "Default",
      OS_PROJECT_DOMAIN_ID: "default",
      OS_REGION_NAME: "one",
      OS_INTERFACE: "internal",
      OS_IDENTITY_API_VERSION: "3",
      OS_CACERT: "/ca.pem",
      HOME: "/root",
    });
    assert.deepEqual(
      { ...settings, caller: undefined },
      {
        caller: undefined,
        endpoint: undefined,
        region: "one",
        interface: "internal",
        tls: {
          caFile: "/ca.pem",
          certificateFile: undefined,
          keyFile: undefined,
          insecureSkipVerification: false,
        },
      },
    );
    assert.ok(settings.caller.type === "password");
    assert.deepEqual(settings.caller.user, { name: "alice", domain: { name: "Default" } });
    assert.deepEqual(settings.caller.scope, { type: "project", id: "pid" });
  });

  it("takes an older variable only where there is no newer one, whatever their order", () => {
    const old = { OS_TENANT_NAME: "old" };
    for (const environment of [
      { ...old, ...openrc },
      { ...openrc, ...old },
    ]) {
      const { caller } = settingsFromEnvironment(environment);
      assert.ok(caller.type === "password" && caller.scope.type === "project");
      assert.equal("name" in caller.scope && caller.scope.name, "p");
    }
    const { caller } = settingsFromEnvironment({ ...openrc, ...old, OS_PROJECT_NAME: "" });
    assert.ok(caller.type === "password" && "name" in caller.scope && caller.scope.name === "old");
  });

  it("reads a token, an application credential, an endpoint", () => {
    assert.equal(settingsFromEnvironment({ OS_TOKEN: "t" }).caller.type, "token");
    const application = settingsFromEnvironment({
      OS_AUTH_URL: openrc.OS_AUTH_URL,
      OS_AUTH_TYPE: "v3applicationcredential",
      OS_APPLICATION_CREDENTIAL_ID: "i",
      OS_APPLICATION_CREDENTIAL_SECRET: "s",
      OS_KEY_MANAGER_ENDPOINT_OVERRIDE: "http://b:9311",
    });
    assert.equal(application.caller.type, "application_credential");
    assert.equal(application.endpoint, "http://b:9311");
  });

  for (const [value, expected] of [
    ["true", true],
    ["1", true],
    ["Yes", true],
    ["false", false],
    ["0", false],
    ["", false],
    ["maybe", false],
  ] as const) {
    it(`takes OS_INSECURE=${value} for ${expected}`, () => {
      const { tls } = settingsFromEnvironment({ ...openrc, OS_INSECURE: value });
      assert.equal(tls.insecureSkipVerification, expected);
    });
  }

  it("takes the older spelling of an interface, and refuses what is none", async () => {
    const older = settingsFromEnvironment({ ...openrc, OS_ENDPOINT_TYPE: "publicURL" });
    assert.equal(older.interface, "public");
    await refuses(
      () => settingsFromEnvironment({ ...openrc, OS_INTERFACE: "publik" }),
      "invalid_argument",
      /did you mean "public"\?/,
    );
  });

  it("says what to set when there is nothing", async () => {
    await refuses(
      () => settingsFromEnvironment({ HOME: "/root", OS_CLOUD: "" }),
      "invalid_argument",
      /set OS_CLOUD .*or OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME/,
    );
  });

  it("says what is missing, without what is there", async () => {
    await refuses(
      () => settingsFromEnvironment({ ...openrc, OS_USERNAME: undefined }),
      "invalid_argument",
      /^environment: keystone credentials: username, or userId, is missing/,
      ["the password"],
    );
    await refuses(
      () => settingsFromEnvironment({ ...openrc, OS_AUTH_TYPE: "v3pasword" }),
      "unsupported",
      /did you mean "v3password"\?/,
      ["the password"],
    );
  });
});
