import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type KeystoneOptions, keystoneCaller } from "../../src/index.ts";
import { lendTokenRequest } from "../../src/keystone/token-request.ts";

const authUrl = "http://k/v3";
const alice = { authUrl, username: "alice", password: "pw" };
const passwordOf = (user: object) => ({ methods: ["password"], password: { user } });
const wired = { name: "alice", domain: { id: "default" }, password: "pw" };

/** https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management */
const bodies: readonly (readonly [string, KeystoneOptions, object])[] = [
  ["unscoped", alice, { identity: passwordOf(wired) }],
  [
    "a project by id",
    { ...alice, projectId: "p" },
    { identity: passwordOf(wired), scope: { project: { id: "p" } } },
  ],
  [
    "a project by name",
    { ...alice, projectName: "p", projectDomainName: "D" },
    { identity: passwordOf(wired), scope: { project: { name: "p", domain: { name: "D" } } } },
  ],
  [
    "a domain",
    { ...alice, domainId: "d" },
    { identity: passwordOf(wired), scope: { domain: { id: "d" } } },
  ],
  [
    "a trust",
    { ...alice, trustId: "t" },
    { identity: passwordOf(wired), scope: { "OS-TRUST:trust": { id: "t" } } },
  ],
  [
    "a user by id",
    { authUrl, userId: "u", password: 'p"\\w ü' },
    { identity: passwordOf({ id: "u", password: 'p"\\w ü' }) },
  ],
  [
    "a token",
    { authUrl, token: "tok", projectId: "p" },
    { identity: { methods: ["token"], token: { id: "tok" } }, scope: { project: { id: "p" } } },
  ],
  [
    "an application credential, whose scope is its own",
    { authUrl, applicationCredentialId: "ac", applicationCredentialSecret: "s", projectId: "p" },
    {
      identity: {
        methods: ["application_credential"],
        application_credential: { id: "ac", secret: "s" },
      },
    },
  ],
  [
    "an application credential by name",
    {
      authUrl,
      applicationCredentialName: "n",
      applicationCredentialSecret: "s",
      username: "alice",
    },
    {
      identity: {
        methods: ["application_credential"],
        application_credential: {
          name: "n",
          user: { name: "alice", domain: { id: "default" } },
          secret: "s",
        },
      },
    },
  ],
];

describe("the token request", () => {
  for (const [label, options, auth] of bodies) {
    it(`is Keystone's for ${label}`, async () => {
      await lendTokenRequest(keystoneCaller(options), async (body) => {
        assert.deepEqual(JSON.parse(Buffer.from(body).toString()), { auth });
      });
    });
  }

  it("is zeroed afterwards, also on failure", async () => {
    let kept: Uint8Array | undefined;
    const lent = lendTokenRequest(keystoneCaller(alice), async (body) => {
      kept = body;
      throw new Error("x");
    });
    await assert.rejects(lent, /x/);
    assert.ok(kept?.every((byte) => byte === 0));
  });
});
