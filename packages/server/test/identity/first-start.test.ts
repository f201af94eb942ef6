import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { parse } from "yaml";
import { Administration } from "../../src/identity/builtin/administration.ts";
import { makeFirstUser } from "../../src/identity/builtin/first-start.ts";
import { PasswordHasher } from "../../src/identity/builtin/password-hasher.ts";
import { temporaryFolder } from "../support/harness.ts";
import { MemoryIdentityStore } from "./memory-identity-store.ts";

const passwords = new PasswordHasher({ insecureCostLog2: 4 });
const publicUrl = "http://keys.example:9311/";

function prepare(t: TestContext) {
  const store = new MemoryIdentityStore();
  const administration = new Administration({ store, passwords });
  const cloudsFile = join(temporaryFolder(t), "clouds.yaml");
  const auth = () => {
    const { clouds } = parse(readFileSync(cloudsFile, "utf8")) as {
      clouds: { chatelaine: { auth: Record<string, string> } };
    };
    return clouds.chatelaine.auth;
  };
  const proves = async () =>
    passwords.verify(
      auth()["password"] ?? "",
      (await store.findUser({ name: "admin" }))?.passwordHash,
    );
  return { store, administration, cloudsFile, auth, proves };
}

describe("the first start", () => {
  it("makes an admin and a file that only its owner may read, which lets one log in", async (t) => {
    const { administration, cloudsFile, auth, proves } = prepare(t);
    assert.equal(await makeFirstUser({ administration, cloudsFile, publicUrl }), true);
    assert.equal(statSync(cloudsFile).mode & 0o777, 0o600);
    assert.equal(auth()["auth_url"], "http://keys.example:9311/v3");
    assert.ok(await proves());
    const [role] = await administration.listRoles({ user: "admin", project: "admin" });
    assert.equal(role?.role, "admin");
  });

  it("is the only one: later ones change nothing", async (t) => {
    const { administration, cloudsFile, proves } = prepare(t);
    await makeFirstUser({ administration, cloudsFile, publicUrl });
    const before = readFileSync(cloudsFile, "utf8");
    assert.equal(await makeFirstUser({ administration, cloudsFile, publicUrl }), false);
    assert.equal(readFileSync(cloudsFile, "utf8"), before);
    assert.ok(await proves());
  });

  it("never overwrites a file, and says what to do", async (t) => {
    const { administration, cloudsFile } = prepare(t);
    writeFileSync(cloudsFile, "clouds: {other: {}}\n");
    await assert.rejects(
      makeFirstUser({ administration, cloudsFile, publicUrl }),
      /clouds\.yaml exists and has no cloud "chatelaine" of ours; move it away/,
    );
    assert.equal(readFileSync(cloudsFile, "utf8"), "clouds: {other: {}}\n");
    assert.deepEqual(await administration.listUsers(), []);
  });

  for (const step of ["insertProject", "insertUser", "insertAssignment"] as const) {
    it(`is finished by the next one if it is cut short before ${step}`, async (t) => {
      const { store, administration, cloudsFile, proves } = prepare(t);
      const broken = new Proxy(store, {
        get(target, name) {
          if (name === step) return () => Promise.reject(new Error("killed"));
          const member: unknown = Reflect.get(target, name);
          return typeof member === "function" ? member.bind(target) : member;
        },
      });
      const doomed = new Administration({ store: broken, passwords });
      await assert.rejects(
        makeFirstUser({ administration: doomed, cloudsFile, publicUrl }),
        /killed/,
      );
      assert.equal(await makeFirstUser({ administration, cloudsFile, publicUrl }), true);
      assert.ok(await proves());
      assert.equal((await administration.listRoles({ user: "admin" })).length, 1);
    });
  }
});
