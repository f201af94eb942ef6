import { identityPromises } from "../../src/identity/conformance/identity-promises.ts";
import { KeystoneIdentity } from "../../src/identity/keystone/keystone-identity.ts";
import { BuiltinScene } from "./builtin-scene.ts";
import { FakeKeystone } from "./fake-keystone.ts";

identityPromises("built-in identity", async () => {
  const scene = await BuiltinScene.open();
  const users = { admin: "root", member: "alice", service: "nova" };
  return {
    identity: scene.service.identity,
    userId: scene.id("alice"),
    userName: "alice",
    projectId: scene.id("vault"),
    token: (role) => scene.token(users[role]),
    unscopedToken: () => scene.token("alice", null),
    async revoke(token) {
      await scene.call("DELETE", "/v3/auth/tokens", { token, subjectToken: token });
    },
    applicationCredentialToken: (accessRules) =>
      scene.applicationCredentialToken(accessRules ? { access_rules: accessRules } : {}),
    advance: (seconds) => {
      scene.nowMs += seconds * 1000;
    },
    tokenSeconds: 3_600,
    close: () => scene.service.identity.close(),
  };
});

// Proves the promises themselves more than Keystone: the real one keeps them in the interop suite.
identityPromises("Keystone identity, on a fake,", async () => {
  const keystone = new FakeKeystone();
  const url = await keystone.start();
  let nowMs = Date.parse("2026-11-23T12:00:00Z");
  let issued = 0;
  const issue = (token: object) => {
    issued += 1;
    keystone.tokens.set(`gAAAAA-issued-by-the-fake-${issued}`, {
      expiresAt: "2026-11-23T13:00:00Z",
      ...token,
    });
    return Promise.resolve(`gAAAAA-issued-by-the-fake-${issued}`);
  };
  const identity = new KeystoneIdentity({
    authUrl: url,
    credentials: { type: "password", username: "s", password: "right", projectName: "service" },
    tokenCacheSeconds: 0,
    nowMs: () => nowMs,
  });
  return {
    identity,
    userId: "u1",
    userName: "alice",
    projectId: "p1",
    token: (role) => issue({ roles: [role] }),
    unscopedToken: () => issue({ projectId: null, roles: [] }),
    revoke: async (token) => void keystone.tokens.delete(token),
    applicationCredentialToken: (accessRules) =>
      issue({ ...(accessRules && { accessRules }), roles: ["member"] }),
    advance: (seconds) => {
      nowMs += seconds * 1000;
    },
    tokenSeconds: 3_600,
    async close() {
      await identity.close();
      await keystone.stop();
    },
  };
});
