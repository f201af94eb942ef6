import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type KeystoneOptions, keystoneCaller, SecretBytes } from "../src/index.ts";
import { refuses } from "./refuses.ts";

const authUrl = "https://keystone.example:5000/v3";
const user = { authUrl, username: "alice", password: "pw" };

/** With its secret, if any, as text. */
function shown(options: KeystoneOptions): unknown {
  return JSON.parse(
    JSON.stringify(keystoneCaller(options), (_, value: unknown) =>
      value instanceof SecretBytes ? value.useText((text) => text) : value,
    ).replaceAll(/"\[secret: (\d+) bytes\]"/g, '"<$1>"'),
  );
}

describe("keystoneCaller", () => {
  it("makes a password caller, in the default domain if none is named", () => {
    assert.deepEqual(shown({ ...user, projectName: "p" }), {
      type: "password",
      authUrl,
      user: { name: "alice", domain: { id: "default" } },
      password: "<2>",
      scope: { type: "project", name: "p", domain: { id: "default" } },
    });
  });

  for (const [label, options, expected] of [
    ["a user by id", { userId: "u", username: undefined }, { user: { id: "u" } }],
    ["a domain by id", { userDomainId: "d" }, { user: { name: "alice", domain: { id: "d" } } }],
    [
      "a domain by name",
      { userDomainName: "D" },
      { user: { name: "alice", domain: { name: "D" } } },
    ],
    ["a project by id", { projectId: "p" }, { scope: { type: "project", id: "p" } }],
    [
      "a project's id before its name, as openrc files give both",
      { projectId: "p", projectName: "n" },
      { scope: { type: "project", id: "p" } },
    ],
    [
      "a project by name in a domain by name",
      { projectName: "p", projectDomainName: "D" },
      { scope: { type: "project", name: "p", domain: { name: "D" } } },
    ],
    [
      "a domain as scope",
      { domainName: "D" },
      { scope: { type: "domain", domain: { name: "D" } } },
    ],
    ["a trust", { trustId: "t" }, { scope: { type: "trust", id: "t" } }],
    ["no scope", {}, { scope: { type: "unscoped" } }],
  ] as const) {
    it(`takes ${label}`, () => {
      const { user: whose, scope } = shown({ ...user, ...options }) as Record<string, unknown>;
      const picked = "user" in expected ? { user: whose } : { scope };
      assert.deepEqual(picked, expected);
    });
  }

  it("makes a token caller, with Keystone or without", () => {
    assert.deepEqual(shown({ authUrl, token: "tok", projectId: "p" }), {
      type: "token",
      authUrl,
      token: "<3>",
      scope: { type: "project", id: "p" },
    });
    assert.equal(keystoneCaller({ token: "tok" }).authUrl, undefined);
  });

  it("makes an application credential's caller, by id or by name and user", () => {
    const secret = { applicationCredentialSecret: "s3c" };
    assert.deepEqual(shown({ authUrl, ...secret, applicationCredentialId: "ac" }), {
      type: "application_credential",
      authUrl,
      credential: { id: "ac" },
      secret: "<3>",
    });
    const named = shown({ authUrl, ...secret, applicationCredentialName: "n", username: "alice" });
    assert.deepEqual((named as { credential: unknown }).credential, {
      name: "n",
      user: { name: "alice", domain: { id: "default" } },
    });
  });

  it("takes secrets as bytes, and keeps them as they are", () => {
    const password = SecretBytes.fromText("pw");
    const caller = keystoneCaller({ ...user, password });
    assert.ok(caller.type === "password" && caller.password === password);
  });

  for (const [given, expected] of [
    ["https://k:5000", "https://k:5000/v3"],
    ["https://k:5000/", "https://k:5000/v3"],
    ["https://k/identity/v3/", "https://k/identity/v3"],
    ["https://k/identity", "https://k/identity/v3"],
    [" https://k/v3\n", "https://k/v3"],
  ] as const) {
    it(`reads the authUrl ${JSON.stringify(given)}`, () => {
      assert.equal(keystoneCaller({ ...user, authUrl: given }).authUrl, expected);
    });
  }

  for (const [label, options, message] of [
    ["no authUrl", { ...user, authUrl: undefined }, /authUrl is missing/],
    ["an empty authUrl", { ...user, authUrl: "" }, /authUrl is missing/],
    [
      "an authUrl that is none",
      { ...user, authUrl: "keystone" },
      /not an http or https URL: "keystone"/,
    ],
    ["an authUrl of files", { ...user, authUrl: "file:///etc" }, /not an http or https URL/],
    ["an authUrl with a query", { ...user, authUrl: `${authUrl}?a=b` }, /query or fragment/],
    ["no user", { ...user, username: undefined }, /username, or userId, is missing/],
    ["no password", { ...user, password: undefined }, /password is missing/],
    ["an empty password", { ...user, password: "" }, /password is missing/],
    ["a token type without token", { authUrl, authType: "token" }, /token is missing/],
    [
      "no application credential",
      { authUrl, applicationCredentialSecret: "s" },
      /applicationCredentialId, or applicationCredentialName with a user, is missing/,
    ],
    [
      "an application credential by name without user",
      { authUrl, applicationCredentialSecret: "s", applicationCredentialName: "n" },
      /username, or userId, is missing/,
    ],
    [
      "no application credential secret",
      { authUrl, authType: "application_credential", applicationCredentialId: "i" },
      /applicationCredentialSecret is missing/,
    ],
    [
      "two scopes",
      { ...user, projectId: "p", trustId: "t", domainId: "d" },
      /more than one scope \(trust, project, domain\): give one of them/,
    ],
    ["a misspelled option", { ...user, pasword: "x" }, /did you mean "password"\?/],
    [
      "a password that is no text",
      { ...user, password: new SecretBytes(Uint8Array.of(0xff)) },
      /UTF-8/,
    ],
    ["a token with a blank", { token: "a b" }, /token contains a space/],
    ["a token beyond ASCII", { token: "tökén" }, /token contains a space, a line break or another/],
  ] as const) {
    it(`refuses ${label}`, async () => {
      await refuses(
        () => keystoneCaller(options as KeystoneOptions),
        "invalid_argument",
        message,
        [],
      );
    });
  }

  it("is told which kind is meant where several would do", () => {
    const all = {
      ...user,
      token: "t",
      applicationCredentialId: "i",
      applicationCredentialSecret: "s",
    };
    assert.equal(keystoneCaller(all).type, "application_credential");
    assert.equal(keystoneCaller({ ...user, token: "t" }).type, "token");
    assert.equal(keystoneCaller({ ...all, authType: "password" }).type, "password");
  });

  it("prints no secret", () => {
    const caller = keystoneCaller({ ...user, password: "a very long password" });
    assert.ok(!JSON.stringify(caller).includes("very long"));
  });
});
