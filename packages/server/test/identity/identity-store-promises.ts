import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { IdentityStore } from "../../src/identity/builtin/identity-store.ts";
import type {
  ApplicationCredentialRecord,
  ProjectRecord,
  TokenBasis,
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
const proven: TokenBasis = { method: "password", passwordHash: alice.passwordHash };
const delegated: TokenRecord = { ...token, hash: "ac", applicationCredentialId: credential.id };
const provenSecret: TokenBasis = {
  method: "application_credential",
  secretHash: credential.secretHash,
};
const basis = { tokenHash: "maker", maxPerUser: 10 };

async function filled(opening: Promise<IdentityStore>): Promise<IdentityStore> {
  const store = await opening;
  for (const user of [alice, bob]) assert.equal(await store.insertUser(user), true);
  for (const project of [vault, other]) assert.equal(await store.insertProject(project), true);
  for (const role of ["reader", "member"]) {
    const assignment = { userId: alice.id, projectId: vault.id, role };
    assert.equal(await store.insertAssignment(assignment), true);
  }
  const maker = { ...token, hash: basis.tokenHash };
  assert.equal(await store.insertToken(maker, proven), true);
  assert.equal(await store.insertApplicationCredential(credential, basis), "made");
  assert.equal(await store.deleteToken(maker.hash), true);
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
      await store.insertToken({ ...token, hash: "maker" }, proven);
      assert.equal(await store.insertApplicationCredential(again, basis), "taken");
      for (const role of credential.roles)
        await store.insertAssignment({ userId: bob.id, projectId: vault.id, role });
      await store.insertToken({ ...token, hash: "bobs", userId: bob.id }, proven);
      const bobs = { ...again, userId: bob.id };
      const bobsBasis = { ...basis, tokenHash: "bobs" };
      assert.equal(await store.insertApplicationCredential(bobs, bobsBasis), "made");
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
      await store.insertToken(token, proven);
      assert.deepEqual(await store.findToken(token.hash), {
        token,
        user: alice,
        project: vault,
        roles: ["member", "reader"],
        applicationCredential: undefined,
      });
      const unscoped = { ...token, hash: "unscoped", projectId: undefined };
      await store.insertToken(unscoped, proven);
      assert.deepEqual(await store.findToken("unscoped"), {
        token: unscoped,
        user: alice,
        project: undefined,
        roles: [],
        applicationCredential: undefined,
      });
      await store.insertToken(delegated, provenSecret);
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
        await store.insertToken(delegated, provenSecret);
        await store.insertAssignment({ userId: bob.id, projectId: other.id, role: "member" });
        const bobs = { ...token, hash: "bobs", userId: bob.id, projectId: other.id };
        assert.equal(await store.insertToken(bobs, proven), true);
        await end(store);
        assert.equal(await store.findToken(delegated.hash), undefined);
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
      for (const role of credential.roles)
        await store.insertAssignment({ userId: alice.id, projectId: vault.id, role });
      await store.insertToken({ ...token, hash: "maker" }, proven);
      assert.equal(await store.insertApplicationCredential(credential, basis), "made");
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
      await store.insertToken(token, proven);
      const late = { ...token, hash: "late", expiresAtMs: token.expiresAtMs + 1 };
      await store.insertToken(late, proven);
      assert.equal(await store.deleteTokensExpiredBefore(token.expiresAtMs), 0);
      assert.equal(await store.deleteTokensExpiredBefore(token.expiresAtMs + 1), 1);
      assert.equal(await store.findToken(token.hash), undefined);
      assert.ok(await store.findToken("late"));
    });

    const changes: [string, (store: IdentityStore) => Promise<unknown>][] = [
      ["user's new password", (store) => store.updateUser(alice.id, { passwordHash: "new" })],
      ["user's disabling", (store) => store.updateUser(alice.id, { enabled: false })],
      ["user's end", (store) => store.deleteUser(alice.id)],
      ["project's disabling", (store) => store.setProjectEnabled(vault.id, false)],
      ["project's end", (store) => store.deleteProject(vault.id)],
      [
        "user's last role there",
        async (store) => {
          for (const role of ["reader", "member"])
            await store.deleteAssignment({ userId: alice.id, projectId: vault.id, role });
        },
      ],
      ["token's revocation", (store) => store.deleteToken(token.hash)],
      [
        "application credential's end",
        (store) => store.deleteApplicationCredential(alice.id, credential.id),
      ],
    ];
    const bases: [string, TokenRecord, TokenBasis, (what: string) => boolean][] = [
      ["a password", { ...token, hash: "x" }, proven, (what) => /user|project/.test(what)],
      [
        "a token",
        { ...token, hash: "x" },
        { method: "token", hash: token.hash },
        (what) => !what.startsWith("application"),
      ],
      [
        "an application credential",
        { ...delegated, hash: "x" },
        provenSecret,
        (what) => !/password|token/.test(what),
      ],
    ];
    for (const [what, change] of changes)
      for (const [proof, record, proofBasis, gone] of bases)
        it(`keeps ${gone(what) ? "no" : "a"} token for ${proof} after the ${what}`, async (t) => {
          const store = await filled(open(t));
          assert.equal(await store.insertToken(token, proven), true);
          await change(store);
          assert.equal(await store.insertToken(record, proofBasis), !gone(what));
          assert.equal((await store.findToken("x")) === undefined, gone(what));
        });

    it("keeps no token for a token of another user, nor for one of an application credential", async (t) => {
      const store = await filled(open(t));
      await store.insertToken(token, proven);
      await store.insertToken(delegated, provenSecret);
      const bobs = { ...token, hash: "bobs", userId: bob.id, projectId: undefined };
      assert.equal(await store.insertToken(bobs, { method: "token", hash: token.hash }), false);
      const child = { ...token, hash: "child" };
      assert.equal(await store.insertToken(child, { method: "token", hash: "ac" }), false);
    });

    it("changes a proven password only while it is still the user's", async (t) => {
      const store = await filled(open(t));
      const provenHash = alice.passwordHash;
      assert.equal(await store.updateUser(alice.id, { passwordHash: "new", provenHash }), true);
      const bobsToken = { ...token, userId: alice.id, projectId: undefined };
      await store.insertToken(bobsToken, { method: "password", passwordHash: "new" });
      assert.equal(await store.updateUser(alice.id, { passwordHash: "old", provenHash }), false);
      assert.equal((await store.findUser({ id: alice.id }))?.passwordHash, "new");
      assert.ok(await store.findToken(token.hash), "what changes nothing ends nothing");
    });

    for (const [what, change] of changes)
      it(`makes no application credential after the ${what}`, async (t) => {
        const store = await filled(open(t));
        await store.insertToken(token, proven);
        const parent = { ...credential, id: "f".repeat(32), name: "parent", unrestricted: true };
        const mine = { ...basis, tokenHash: token.hash };
        assert.equal(await store.insertApplicationCredential(parent, mine), "made");
        const child = { ...credential, id: "9".repeat(32), name: "child" };
        const parents = { ...delegated, applicationCredentialId: parent.id };
        await store.insertToken(parents, provenSecret);
        await change(store);
        await store.deleteApplicationCredential(alice.id, parent.id);
        const theirs = { ...basis, tokenHash: parents.hash };
        assert.equal(await store.insertApplicationCredential(child, theirs), "ended");
        if (!what.startsWith("application"))
          assert.equal(await store.insertApplicationCredential(child, mine), "ended");
      });

    it("lends no application credential what its maker was not lent", async (t) => {
      const store = await filled(open(t));
      await store.insertToken(delegated, provenSecret);
      const child = { ...credential, id: "9".repeat(32), name: "child" };
      const mine = { ...basis, tokenHash: delegated.hash };
      assert.equal(await store.insertApplicationCredential(child, mine), "ended", "restricted");
      await store.insertToken(token, proven);
      const admin = { ...child, roles: ["admin"] };
      const own = { ...basis, tokenHash: token.hash };
      assert.equal(await store.insertApplicationCredential(admin, own), "ended", "no such role");
    });

    it("makes no more application credentials than a user may have, not even at one moment", async (t) => {
      const store = await filled(open(t));
      await store.insertToken(token, proven);
      const mine = { tokenHash: token.hash, maxPerUser: 4 };
      const made = await Promise.all(
        Array.from({ length: 9 }, (_, i) =>
          store.insertApplicationCredential(
            { ...credential, id: `${i}`.repeat(32), name: `n${i}` },
            mine,
          ),
        ),
      );
      assert.equal(made.filter((one) => one === "made").length, 3);
      assert.equal(made.filter((one) => one === "too_many").length, 6);
    });

    it("leaves no token for an old password, whichever comes first", async (t) => {
      const store = await filled(open(t));
      for (let round = 0; round < 10; round++) {
        const [old, next] = [`hash ${round}`, `hash ${round + 1}`];
        await store.updateUser(alice.id, { passwordHash: old });
        const log = (i: number) =>
          store.insertToken(
            { ...token, hash: `${round}-${i}` },
            { method: "password", passwordHash: old },
          );
        const before = Array.from({ length: 5 }, (_, i) => log(i));
        const change = store.updateUser(alice.id, { passwordHash: next });
        const after = Array.from({ length: 5 }, (_, i) => log(i + 5));
        await Promise.all([...before, change, ...after]);
        for (let i = 0; i < 10; i++)
          assert.equal(await store.findToken(`${round}-${i}`), undefined);
      }
    });
  });
}
