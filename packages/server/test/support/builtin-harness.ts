import type { TestContext } from "node:test";
import { auditEntryOf } from "../../src/identity/builtin/audit-events.ts";
import { openBuiltinIdentity } from "../../src/identity/builtin/open-builtin-identity.ts";
import { SqlIdentityStore } from "../../src/identity/builtin/sql/sql-identity-store.ts";
import { auditLine } from "../../src/model/audit-entry.ts";
import type { KeyServerParts } from "../../src/startup/key-server.ts";
import { base, startHarness, temporaryFolder } from "./harness.ts";
import { openTestStore } from "./test-store.ts";

/** A whole key server with identity of its own, and a user alice who is a member of project vault. */
export async function startBuiltinHarness(t: TestContext, parts: Partial<KeyServerParts> = {}) {
  const now = "2026-01-01T00:00:00.000000";
  const store = await openTestStore(t, temporaryFolder(t));
  t.after(() => store.close());
  const { identity, api, administration } = openBuiltinIdentity({
    store: new SqlIdentityStore(store),
    publicUrl: base,
    passwords: { insecureCostLog2: 4 },
    logins: { delayMs: 1 },
    audit: (event) => store.record(auditLine(auditEntryOf(event, now))),
  });
  await administration.createProject({ name: "vault" });
  await administration.createUser({ name: "alice", password: "secret" });
  await administration.grantRole("alice", "vault", "member");
  const harness = await startHarness(t, { ...parts, store, identity, keystoneApi: api });
  return { ...harness, store, identity, administration };
}

/** What a user sends to log in to a project, by default alice to vault. */
export const login = (password: string, { name = "alice", project = "vault" } = {}) => ({
  auth: {
    identity: {
      methods: ["password"],
      password: { user: { name, domain: { id: "default" }, password } },
    },
    scope: { project: { name: project, domain: { id: "default" } } },
  },
});
