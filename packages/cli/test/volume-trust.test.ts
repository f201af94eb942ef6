import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { type ObjectId, type ProjectCaller, SecretBytes } from "@chatelaine/keys";
import { formatLuks2 } from "@chatelaine/luks";
import { forge } from "../../volumes/test/forge.ts";
import { Session } from "./session.ts";

const mallory: ProjectCaller = { type: "project", projectId: "m", userId: "mallory" };

describe("chatelaine volume, with a disk that somebody else wrote", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-trust-"));
  });
  after(() => rm(directory, { recursive: true }));

  async function make(session: Session, name: string, ...flags: readonly string[]) {
    const path = join(directory, `${name}.img`);
    const create = [...flags, "volume", "create", path, "--size", "1M", "--json"];
    const { out, error } = await session.run(...create);
    assert.equal(error, "");
    return { path, ...(JSON.parse(out) as { readonly id: string; readonly keyId: ObjectId }) };
  }
  /** Options of a second host, with a ledger of its own. */
  const elsewhere = (name: string) => ["--ledger", join(directory, `${name}.sqlite`)];

  it("keeps the key of a plain copy that a second host deletes, unless it is told otherwise", async () => {
    const session = new Session();
    const { path, keyId } = await make(session, "original");
    const copy = join(directory, "copy.img");
    const there = elsewhere("second");
    await copyFile(path, copy);
    const foreseen = await session.run(...there, "volume", "delete", copy, "--dry-run");
    assert.equal(foreseen.out, `would delete ${copy} and keep key ${keyId}\n`);
    const { out } = await session.run(...there, "volume", "delete", copy);
    assert.equal(out, `deleted ${copy}; key ${keyId} is kept\n`);
    assert.equal((await session.run("volume", "verify", path)).code, 0);

    const last = await session.run(...there, "volume", "delete", path, "--delete-key", keyId);
    assert.equal(last.out, `deleted ${path} and its key ${keyId}\n`);
    assert.equal((await session.run("key", "list", "--json")).out, "[]\n");
  });

  it("says which other keys a disk names, and leaves them alone", async () => {
    const session = new Session();
    const [{ keyId: victim }, { path, keyId }] = [
      await make(session, "victim"),
      await make(session, "liar"),
    ];
    await forge(path, ({ tokens }) => {
      tokens["1"] = { ...tokens["0"], object: victim, keyslots: [] };
    });
    const said = `the disk also names ${victim}: left alone\n`;
    assert.match((await session.run("reconcile")).out, new RegExp(`foreign_key .*${victim}`));
    const foreseen = await session.run("volume", "delete", path, "--dry-run");
    assert.equal(foreseen.out, `would delete ${path} and key ${keyId}\n${said}`);
    const { out } = await session.run("volume", "delete", path);
    assert.equal(out, `deleted ${path} and its key ${keyId}\n${said}`);
    assert.equal((await session.run("key", "get", victim)).code, 0);
  });

  it("says what to do with a copy, a longer file, another volume key and a lost header", async () => {
    const session = new Session();
    const { path } = await make(session, "advice");
    const copy = join(directory, "second.img");
    await copyFile(path, copy);
    const mismatch = await session.run("volume", "delete", copy);
    assert.match(mismatch.error, /copy, remove it without chatelaine; .* moved, move it back/);
    assert.match((await session.run("reconcile", copy)).out, /a copy, or the volume was moved/);
    const { size } = await stat(path);
    await truncate(path, size + (1 << 20));
    const grown = await session.run("volume", "verify", path);
    assert.match(grown.error, /volume resize .*, of a file with --size 2097152\n$/);
    const resized = await session.run("volume", "resize", path, "--size", "2097152");
    assert.equal(resized.error, "");
    await forge(path, ({ segments }) => Object.assign(segments["0"] as object, { iv_tweak: "8" }));
    const changed = await session.run("volume", "verify", path);
    assert.match(changed.error, /\(another volume key or data segment\); .*--accept-header/);
    await truncate(path, 0);
    await truncate(path, size + (1 << 20));
    const lost = await session.run("volume", "verify", path);
    assert.match(lost.error, /has no backup of its header: .*volume restore .* FILE/);
  });

  it("does not send a terminal's commands or further lines from a header into an error", async () => {
    const session = new Session();
    const { path } = await make(session, "escape");
    await forge(path, () => undefined, "a\u001b]0;title\u0007\u009b2J\nchatelaine: done");
    for (const command of ["delete", "import"]) {
      const key = command === "import" ? ["--key", crypto.randomUUID()] : [];
      const { code, error } = await session.run("volume", command, path, ...key);
      assert.notEqual(code, 0);
      assert.match(error, /^chatelaine: [^\p{Cc}]+\n$/u);
    }
  });

  it("does not open a disk with an attacker's key, unless that key is named", async () => {
    const session = new Session();
    const { path, keyId: own } = await make(session, "tenant", ...elsewhere("third"));
    const value = new SecretBytes(Buffer.alloc(32, 7));
    const spec = { type: "symmetric", algorithm: "aes", value } as const;
    const keyId = await session.keyManager.store(mallory, spec);
    await session.keyManager.setReadAccess(mallory, keyId, {
      projectAccess: true,
      userIds: ["alice"],
    });
    const passphrase = Buffer.from("07".repeat(32));
    await formatLuks2(path, {
      keyslots: [{ passphrase, entropyBits: 256 }],
      tokens: [
        { type: "chatelaine", keyslots: ["0"], object: keyId, created: new Date().toISOString() },
      ],
      allowDestroyingData: ["luks", "unrecognised"],
    });
    const refused = await session.run("volume", "verify", path);
    assert.equal(refused.code, 5);
    assert.match(refused.error, new RegExp(`key ${keyId}.*--key`));
    assert.match((await session.run("volume", "open", path)).error, /--key/);
    assert.equal((await session.run("volume", "inspect", path)).code, 0);
    const verified = await session.run("volume", "verify", path, "--key", keyId);
    assert.equal(
      verified.out,
      `${path}: key ${keyId} opens slot 0; the disk is not in the ledger\n`,
    );
    assert.equal((await session.run("volume", "verify", path, "--key", own)).code, 12);
    assert.equal((await session.run("volume", "verify", "--all", "--key", keyId)).code, 2);
  });

  it("does not open a volume whose header was changed, and says what accepting it would change", async () => {
    const session = new Session();
    const { path } = await make(session, "changed");
    const header = ["volume", "adopt", path, "--accept-header"];
    assert.equal((await session.run(...header)).out, `${path}: its header is as recorded\n`);
    await forge(path, ({ segments }) => {
      Object.assign(segments["0"] ?? {}, { encryption: "serpent-xts-plain64" });
    });
    const refused = await session.run("volume", "verify", path);
    assert.equal(refused.code, 11);
    assert.match(refused.error, /cipher is serpent-xts-plain64, not aes-xts-plain64/);
    assert.match((await session.run("reconcile")).out, /^changed_header .*cipher is serpent/m);
    const changes = new RegExp(
      "  cipher: aes-xts-plain64 → serpent-xts-plain64\n  digest: [0-9a-f]{64} → [0-9a-f]{64}\n$",
    );
    const foreseen = await session.run(...header, "--dry-run");
    assert.match(foreseen.out, changes);
    assert.match(foreseen.out, /would record its header/);
    assert.equal((await session.run("volume", "verify", path)).code, 11);
    assert.match((await session.run(...header)).out, changes);
    assert.equal((await session.run("volume", "verify", path)).code, 0);
    assert.equal((await session.run(...header, "--key", crypto.randomUUID())).code, 2);
    assert.equal((await session.run("volume", "adopt", path)).code, 2);
  });

  it("lists the volumes whose header the ledger has not recorded", async () => {
    const session = new Session();
    const there = elsewhere("before");
    const { path, keyId } = await make(session, "before", ...there);
    const database = new DatabaseSync(there[1] ?? "");
    database.exec("UPDATE volumes SET layout = NULL");
    database.close();
    const one = await session.run(...there, "volume", "verify", path);
    const missing = "; its header is not in the ledger yet: the next open records it";
    assert.equal(one.out, `${path}: key ${keyId} opens slot 0${missing}\n`);
    assert.match((await session.run(...there, "volume", "verify", "--all")).out, /not recorded/);
    const all = async () => {
      const { out } = await session.run(...there, "volume", "verify", "--all", "--json");
      return (JSON.parse(out) as readonly { readonly layoutRecord: string }[]).map(
        ({ layoutRecord }) => layoutRecord,
      );
    };
    assert.deepEqual(await all(), ["missing"]);
    await session.run(...there, "volume", "rekey", path);
    assert.deepEqual(await all(), ["recorded"]);
  });
});
