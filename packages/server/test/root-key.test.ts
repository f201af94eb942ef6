import assert from "node:assert/strict";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { SecretBytes } from "@chatelaine/keys";
import { loadServerConfig } from "../src/config/config.ts";
import { Mac } from "../src/crypto/mac.ts";
import { rootKey, rootKeyRing } from "../src/crypto/root-key/ring.ts";
import { openRootKeyValue, RootKeyFile } from "../src/crypto/root-key/slots.ts";
import { open, seal } from "../src/crypto/seal.ts";
import { payloadContext } from "../src/keyring/project-keys.ts";
import { admitRootKeys } from "../src/keyring/system-keys.ts";
import { systemClock } from "../src/model/clock.ts";
import { openRootKeys } from "../src/parts/open-root-keys.ts";
import { ownershipTag } from "../src/row-tagging/ownership-tag.ts";
import { SqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import { idOf, startHarness, temporaryFolder, testRootKeys } from "./support/harness.ts";
import { tamper } from "./support/tamper.ts";

const clock = systemClock();

describe("the root key", () => {
  it("is created once, readable by its owner alone", async (t) => {
    const path = join(temporaryFolder(t), "keys", "root-key");
    const file = new RootKeyFile(path);
    assert.equal(await file.open(), undefined);
    const created = await file.create();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual((await file.open())?.current.checkValue, created.current.checkValue);
    await assert.rejects(file.create(), /already has a key 1/);
    chmodSync(path, 0o640);
    await assert.rejects(file.open(), /run: chmod 600/);
  });

  it("is refused if it is not a key", async (t) => {
    const path = join(temporaryFolder(t), "root-key");
    const key = Buffer.alloc(32, 1).toString("base64");
    for (const text of [
      "",
      key,
      `chatelaine-root-key-v1\n1 ${key.slice(4)}\n`,
      `chatelaine-root-key-v1\nx ${key}\n`,
    ]) {
      writeFileSync(path, text, { mode: 0o600 });
      await assert.rejects(new RootKeyFile(path).open(), /root key file/);
    }
    await assert.rejects(openRootKeyValue(SecretBytes.fromText("short")), /32 bytes in base64/);
    assert.equal((await openRootKeyValue(SecretBytes.fromText(key))).current.id, 1);
  });

  it("must be the root key of the database", async (t) => {
    const folder = temporaryFolder(t);
    const store = await SqliteStore.open({ path: join(folder, "keys.db"), now: clock.timestamp() });
    t.after(() => store.close());
    const config = loadServerConfig({ environment: { CHATELAINE_SERVER_DATA_DIRECTORY: folder } });
    const made = await openRootKeys(config, store);
    await admitRootKeys(store, made, clock);
    await admitRootKeys(store, await openRootKeys(config, store), clock);
    const wrong = rootKeyRing([rootKey(1, Buffer.alloc(32, 9))]);
    await assert.rejects(
      admitRootKeys(store, wrong, clock),
      /not the one this database was written with/,
    );
    rmSync(join(folder, "root-key"));
    await assert.rejects(openRootKeys(config, store), /restore the file/);
    assert.throws(() => readFileSync(join(folder, "root-key")), /ENOENT/);
  });
});

describe("whoever writes the database", () => {
  const key = testRootKeys.current.wrapping;
  const context = payloadContext("p", "s", "text/plain");

  it("cannot change, shorten or move sealed bytes", () => {
    const sealed = seal(key, context, Buffer.from("payload"));
    assert.equal(open(key, context, sealed).toString(), "payload");
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = Buffer.from(sealed);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.throws(() => open(key, context, flipped), { code: "integrity" });
    }
    for (let length = 0; length < sealed.length; length++)
      assert.throws(() => open(key, context, sealed.subarray(0, length)), { code: "integrity" });
    for (const other of [
      payloadContext("q", "s", "text/plain"),
      payloadContext("p", "t", "text/plain"),
      payloadContext("p", "s", "application/pkcs8"),
    ])
      assert.throws(() => open(key, other, sealed), { code: "integrity" });
  });

  it("cannot tag an object for another owner", () => {
    const tagging = new Mac(Buffer.alloc(32, 1));
    const project = { projectId: "p", generation: 1, sealing: key, tagging };
    const owner = {
      kind: "secret",
      id: "s",
      projectId: "p",
      creatorId: "u",
      acl: null,
      expiration: null,
    } as const;
    const tags = [
      owner,
      { ...owner, creatorId: "v" },
      { ...owner, acl: "{}" },
      { ...owner, id: "t" },
      { ...owner, kind: "container" as const },
      { ...owner, expiration: "x" },
    ].map((o) => ownershipTag(project, o).toString("hex"));
    assert.equal(new Set(tags).size, tags.length);
  });

  it("gets no secret by giving it away, nor by granting himself to read it", async (t) => {
    const { ask, store } = await startHarness(t);
    const body = { payload: "x", payload_content_type: "text/plain" };
    const newSecret = async () =>
      idOf((await ask("POST", "/v1/secrets", { body })).json["secret_ref"]);
    await ask("POST", "/v1/secrets", { token: "mallory/other/member", body });
    const acl = JSON.stringify({
      users: ["mallory"],
      projectAccess: true,
      created: "",
      updated: "",
    });
    for (const [sql, args] of [
      ["UPDATE secrets SET project_id = ? WHERE id = ?", ["other"]],
      ["UPDATE secrets SET acl = ? WHERE id = ?", [acl]],
      ["UPDATE secrets SET creator_id = ? WHERE id = ?", ["mallory"]],
      ["UPDATE secrets SET expiration = ? WHERE id = ?", ["2999-01-01"]],
    ] as const) {
      const id = await newSecret();
      await store.write(tamper, { sql, args: [...args, id] });
      for (const token of ["mallory/other/member", "alice/p/member"]) {
        const answer = await ask("GET", `/v1/secrets/${id}/payload`, { token });
        assert.equal(answer.status, 500);
        assert.equal(answer.text.includes("authentic"), false);
      }
    }
    const [mine, theirs] = [await newSecret(), await newSecret()];
    await store.write(tamper, {
      sql: "UPDATE payloads SET sealed = (SELECT sealed FROM payloads WHERE secret_id = ?) WHERE secret_id = ?",
      args: [theirs, mine],
    });
    assert.equal((await ask("GET", `/v1/secrets/${mine}/payload`)).status, 500);
  });
});
