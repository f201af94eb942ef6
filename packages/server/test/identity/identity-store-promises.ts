import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { IdentityStore } from "../../src/identity/builtin/identity-store.ts";
import type {
  ApplicationCredentialRecord,
  ProjectRecord,
  TokenRecord,
  UserRecord,
} from "../../src/identity/builtin/records.ts";

const at = Date.parse("2026-11-23T12:00:00.123Z");

const alice: UserRecord = {
  id: "a".repeat(32),
  name: "alice' OR 1=1 --",
  passwordHash: "$scrypt$…",
  enabled: true,
  createdAtMs: at,
};
const bob: UserRecord = { ...alice, id: "b".repeat(32), name: "Älice" };
const vault: ProjectRecord = {
  id: "c".repeat(32),
  name: "vault",
  description: "",
  enabled: true,
  createdAtMs: at,
};
const other: ProjectRecord = { ...vault, id: "d".repeat(32), name: "other" };
const credential: ApplicationCredentialRecord = {
  id: "e".repeat(32),
  name: "ci",
  description: "for CI",
  userId: alice.id,
  projectId: vault.id,
  secretHash: "$scrypt$…",
  roles: ["member", "reader"],
  unrestricted: false,
  accessRules: [{ service: "key-manager", method: "GET", path: "/v1/**" }],
  expiresAtMs: at + 1_000,
  createdAtMs: at,
};
const token: TokenRecord = {
  hash: "hash-of-a-token",
  userId: alice.id,
  projectId: vault.id,
  methods: ["password", "token"],
  auditIds: ["one", "two"],
  applicationCredentialId: undefined,
  issuedAtMs: at,
  expiresAtMs: at + 3_600_000,
};

async function filled(opening: Promise<IdentityStore>): Promise<IdentityStore> {
  const store = await opening;
  for (const user of [alice, bob]) assert.equal(await store.insertUser(user), true);
  for (const project of [vault, other]) assert.equal(await store.insertProject(project), true);
  for (const role of ["reader", "member"]) {
    const assignment = { userId: alice.id, projectId: vault.id, role };
    assert.equal(await store.insertAssignment(assignment), true);
  }
  assert.equal(await store.insertApplicationCredential(credential), true);
  return store;
}

/** What every identity store promises to those who build on it. */
export function keepsTheIdentityStorePromises(
  name: string,
  open: (t: TestContext) => Promise<IdentityStore>,
): void {
  describe(`${name} keeps the promises of an identity store`, () => {
    it("finds what was stored, as it was stored, by id and by name", async (t) => {
      const store = await filled(open(t));
      assert.deepEqual(await store.findUser({ id: alice.id }), alice);
      assert.deepEqual(await store.findUser({ name: alice.name }), alice);
      assert.deepEqual(await store.findProject({ id: vault.id }), vault);
      assert.deepEqual(await store.findProject({ name: "vault" }), vault);
      assert.deepEqual(await store.findApplicationCredential({ id: credential.id }), credential);
      const byName = { userId: alice.id, name: "ci" };
      assert.deepEqual(await store.findApplicationCredential(byName), credential);
      assert.deepEqual(await store.listUsers(), [alice, bob]);
      assert.deepEqual(await store.listProjects(), [other, vault]);
      assert.deepEqual(await store.listApplicationCredentials(alice.id), [credential]);
    });

    it("finds nothing where nothing is", async (t) => {
      const store = await filled(open(t));
      for (const by of [{ id: "alice" }, { name: "alice" }, { name: "" }, { name: "ALICE" }]) {
        assert.equal(await store.findUser(by), undefined);
        assert.equal(await store.findProject(by), undefined);
      }
      assert.equal(
        await store.findApplicationCredential({ userId: bob.id, name: "ci" }),
        undefined,
      );
      assert.equal(await store.findToken("unknown"), undefined);
      assert.equal(await store.deleteToken("unknown"), false);
      assert.equal(await store.deleteUser("unknown"), false);
      assert.equal(await store.deleteProject("unknown"), false);
      assert.equal(await store.updateUser("unknown", { enabled: false }), false);
      assert.equal(await store.setProjectEnabled("unknown", false), false);
      assert.equal(await store.deleteApplicationCredential(bob.id, credential.id), false);
    });

    it("takes no name twice", async (t) => {
      const store = await filled(open(t));
      assert.equal(await store.insertUser({ ...bob, id: "f".repeat(32) }), false);
      assert.equal(await store.insertProject({ ...other, id: "f".repeat(32) }), false);
      const again = { ...credential, id: "f".repeat(32) };
      assert.equal(await store.insertApplicationCredential(again), false);
      assert.equal(await store.insertApplicationCredential({ ...again, userId: bob.id }), true);
    });

    it("lists roles by user, by project and by both, and grants each once", async (t) => {
      const store = await filled(open(t));
      const member = { userId: alice.id, projectId: vault.id, role: "member" };
      const reader = { ...member, role: "reader" };
      assert.equal(await store.insertAssignment(member), true);
      assert.deepEqual(await store.listAssignments({}), [member, reader]);
      assert.deepEqual(await store.listAssignments({ userId: alice.id }), [member, reader]);
      assert.deepEqual(await store.listAssignments({ projectId: other.id }), []);
      const both = { userId: alice.id, projectId: vault.id };
      assert.deepEqual(await store.listAssignments(both), [member, reader]);
      assert.equal(await store.insertAssignment({ ...member, userId: "unknown" }), false);
      assert.equal(await store.insertAssignment({ ...member, projectId: "unknown" }), false);
      assert.equal(await store.deleteAssignment(reader), true);
      assert.equal(await store.deleteAssignment(reader), false);
      assert.deepEqual(await store.listAssignments({}), [member]);
    });

    it("finds a token with what it is worth now", async (t) => {
      const store = await filled(open(t));
      await store.insertToken(token);
      assert.deepEqual(await store.findToken(token.hash), {
        token,
        user: alice,
        project: vault,
        roles: ["member", "reader"],
        applicationCredential: undefined,
      });
      const unscoped = { ...token, hash: "unscoped", projectId: undefined };
      await store.insertToken(unscoped);
      assert.deepEqual(await store.findToken("unscoped"), {
        token: unscoped,
        user: alice,
        project: undefined,
        roles: [],
        applicationCredential: undefined,
      });
      const delegated = { ...token, hash: "ac", applicationCredentialId: credential.id };
      await store.insertToken(delegated);
      assert.deepEqual((await store.findToken("ac"))?.applicationCredential, credential);
      assert.equal(await store.deleteToken(token.hash), true);
      assert.equal(await store.findToken(token.hash), undefined);
    });

    const ends: [string, (store: IdentityStore) => Promise<unknown>][] = [
      ["user's new password", (store) => store.updateUser(alice.id, { passwordHash: "new" })],
      ["user's disabling", (store) => store.updateUser(alice.id, { enabled: false })],
      ["user's end", (store) => store.deleteUser(alice.id)],
      ["project's disabling", (store) => store.setProjectEnabled(vault.id, false)],
      ["project's end", (store) => store.deleteProject(vault.id)],
      [
        "application credential's end",
        (store) => store.deleteApplicationCredential(alice.id, credential.id),
      ],
    ];
    for (const [what, end] of ends) {
      it(`ends tokens with their ${what}, and no other's`, async (t) => {
        const store = await filled(open(t));
        await store.insertToken({ ...token, applicationCredentialId: credential.id });
        const bobs = { ...token, hash: "bobs", userId: bob.id, projectId: other.id };
        await store.insertToken(bobs);
        await end(store);
        assert.equal(await store.findToken(token.hash), undefined);
        assert.deepEqual((await store.findToken("bobs"))?.token, bobs);
      });
    }

    it("leaves nothing of a user or project behind", async (t) => {
      const store = await filled(open(t));
      assert.equal(await store.deleteUser(alice.id), true);
      assert.deepEqual(await store.listAssignments({}), []);
      assert.equal(await store.findApplicationCredential({ id: credential.id }), undefined);
      assert.equal(await store.insertUser(alice), true);
      assert.deepEqual(await store.listAssignments({}), []);
      await store.insertAssignment({ userId: alice.id, projectId: vault.id, role: "member" });
      await store.insertApplicationCredential(credential);
      assert.equal(await store.deleteProject(vault.id), true);
      assert.deepEqual(await store.listAssignments({}), []);
      assert.equal(await store.findApplicationCredential({ id: credential.id }), undefined);
    });

    it("changes a password or a state, and nothing besides", async (t) => {
      const store = await filled(open(t));
      await store.updateUser(alice.id, { enabled: false });
      await store.updateUser(alice.id, { passwordHash: "new" });
      assert.deepEqual(await store.findUser({ id: alice.id }), {
        ...alice,
        enabled: false,
        passwordHash: "new",
      });
      await store.setProjectEnabled(vault.id, false);
      assert.deepEqual(await store.findProject({ id: vault.id }), { ...vault, enabled: false });
    });

    it("sweeps expired tokens away, and no other", async (t) => {
      const store = await filled(open(t));
      await store.insertToken(token);
      await store.insertToken({ ...token, hash: "late", expiresAtMs: token.expiresAtMs + 1 });
      assert.equal(await store.deleteTokensExpiredBefore(token.expiresAtMs), 0);
      assert.equal(await store.deleteTokensExpiredBefore(token.expiresAtMs + 1), 1);
      assert.equal(await store.findToken(token.hash), undefined);
      assert.ok(await store.findToken("late"));
    });
  });
}
