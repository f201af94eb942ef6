import { KeystoneIdentity } from "@chatelaine/server/identity";
import { identityPromises } from "@chatelaine/server/identity/conformance";
import { applicationCredentialToken, KeystoneAdmin } from "../barbican/keystone-admin.ts";
import { type BarbicanLab, startBarbicanLab } from "../barbican/lab.ts";

identityPromises("Keystone identity, on a real Keystone,", async () => {
  const lab = await startBarbicanLab();
  const user = lab.users["demo-member"];
  const users = { admin: "admin", member: "demo-member", service: "barbican" } as const;
  const credentials: string[] = [];
  let movedMs = 0;
  const identity = new KeystoneIdentity({
    authUrl: lab.keystoneUrl,
    credentials: {
      type: "password",
      username: "barbican",
      password: lab.users.barbican.password,
      projectName: "service",
    },
    tokenCacheSeconds: 0,
    nowMs: () => Date.now() + movedMs,
  });
  const asUser = async () => new KeystoneAdmin(lab.keystoneUrl, await lab.token("demo-member"));
  const path = `users/${user.id}/application_credentials`;
  return {
    identity,
    userId: user.id,
    userName: user.username,
    projectId: lab.projectIds["demo"] ?? "",
    token: (role) => lab.token(users[role]),
    unscopedToken: () => unscopedToken(lab),
    async revoke(token) {
      const keystone = new KeystoneAdmin(lab.keystoneUrl, token);
      await keystone.call("DELETE", "auth/tokens", [204], undefined, { "x-subject-token": token });
    },
    async applicationCredentialToken(accessRules) {
      const name = `interop-identity-${credentials.length}-${process.pid}`;
      const made = await (await asUser()).call("POST", path, [201], {
        application_credential: { name, ...(accessRules && { access_rules: accessRules }) },
      });
      const credential = made["application_credential"] as { id: string; secret: string };
      credentials.push(credential.id);
      return await applicationCredentialToken(lab.keystoneUrl, credential);
    },
    advance: (seconds) => {
      movedMs += seconds * 1000;
    },
    // Longer than any Keystone's: what matters is that the clock passes the time in the token.
    tokenSeconds: 30 * 86_400,
    async close() {
      const keystone = await asUser();
      for (const id of credentials) await keystone.call("DELETE", `${path}/${id}`, [204]);
      await identity.close();
      await lab.stop();
    },
  };
});

async function unscopedToken(lab: BarbicanLab): Promise<string> {
  const { username, password } = lab.users["demo-member"];
  const user = { name: username, domain: { id: "default" }, password };
  const response = await fetch(`${lab.keystoneUrl}/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      auth: { identity: { methods: ["password"], password: { user } }, scope: "unscoped" },
    }),
  });
  await response.body?.cancel();
  return response.headers.get("x-subject-token") ?? "";
}
