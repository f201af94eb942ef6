import assert from "node:assert/strict";
import { copyFile, link, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Caller, ObjectId } from "@chatelaine/keys";
import { formatLuks2, readLuks } from "@chatelaine/luks";
import { Session } from "./session.ts";

describe("chatelaine volume", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-cli-"));
  });
  after(() => rm(directory, { recursive: true }));

  it("takes a volume through its life", async () => {
    const session = new Session();
    const path = join(directory, "disk.img");
    const made = await session.run(
      "volume",
      "create",
      path,
      "--size",
      "1M",
      "--label",
      "mine",
      "--json",
    );
    assert.deepEqual([made.code, made.error], [0, ""]);
    const { id, keyId } = JSON.parse(made.out) as { id: string; keyId: string };
    const shown = await session.run("volume", "inspect", path);
    for (const part of [path, id, keyId, "aes-xts-plain64, 512 bits", "mine", "16 MiB"]) {
      assert.ok(shown.out.includes(part), `${part} in ${shown.out}`);
    }
    assert.equal(
      (await session.run("volume", "verify", path)).out,
      `${path}: key ${keyId} opens slot 0\n`,
    );
    assert.equal((await session.run("key", "delete", keyId)).code, 6);
    const foreseen = await session.run("volume", "delete", path, "--dry-run");
    assert.equal(foreseen.out, `would delete ${path} and key ${keyId}\n`);
    assert.ok((await stat(path)).isFile());
    assert.equal(
      (await session.run("volume", "delete", path)).out,
      `deleted ${path} and its key ${keyId}\n`,
    );
    assert.equal((await session.run("key", "list", "--json")).out, "[]\n");
  });

  it("lets the services that --readers names read each key, before and after a rekey", async () => {
    const session = new Session({ environment: { CHATELAINE_READERS: "nova, glance" } });
    const path = join(directory, "granted.img");
    const made = await session.run("volume", "create", path, "--size", "1M", "--json");
    const rekeyed = await session.run("--readers", "nova", "volume", "rekey", path, "--json");
    const readersOf = async ({ out }: { readonly out: string }) => {
      const { keyId } = JSON.parse(out) as { readonly keyId: ObjectId };
      return (await session.keyManager.readAccess(session.caller, keyId)).userIds;
    };
    assert.deepEqual(await readersOf(rekeyed), ["nova"]);
    const again = await session.run("volume", "create", `${path}2`, "--size", "1M", "--json");
    assert.deepEqual(await readersOf(again), ["nova", "glance"], made.error);
  });

  it("keeps the volumes of one whose keys a service makes apart from its own", async () => {
    const session = new Session();
    const path = join(directory, "tenant.img");
    const forTenant = ["--for-project", "tenant"];
    const made = await session.run(
      ...forTenant,
      "volume",
      "create",
      path,
      "--size",
      "1M",
      "--json",
    );
    const { keyId } = JSON.parse(made.out) as { readonly keyId: ObjectId };
    const { consumers } = await session.keyManager.describe(session.caller, keyId);
    assert.equal(consumers.length, 1);
    const listed = async (...flags: readonly string[]) => {
      const all = ["volume", "rekey", "--all", "--dry-run", "--json"];
      const { out } = await session.run(...flags, ...all);
      return (JSON.parse(out) as readonly { readonly location: string }[]).map(
        ({ location }) => location,
      );
    };
    assert.deepEqual([await listed(...forTenant), await listed()], [[path], []]);
    assert.equal((await session.run(...forTenant, "volume", "rekey", path)).code, 0);
    assert.match((await session.run(...forTenant, "reconcile")).out, /^ok /m);
    assert.equal((await session.run(...forTenant, "volume", "delete", path)).code, 0);
    assert.equal((await session.run("key", "list", "--json")).out, "[]\n");
  });

  it("does not say that it closed what was not open", async () => {
    const { code, out } = await new Session().run("volume", "close", "never-opened");
    assert.deepEqual([code, out], [0, "never-opened was not open\n"]);
  });

  it("gives a volume a new key, and says so", async () => {
    const session = new Session();
    const path = join(directory, "rekeyed.img");
    const made = await session.run("volume", "create", path, "--size", "1M", "--json");
    const { keyId } = JSON.parse(made.out) as { keyId: string };
    const foreseen = await session.run("volume", "rekey", path, "--dry-run");
    assert.equal(foreseen.out, `would replace key ${keyId} of ${path}\n`);
    const { code, out } = await session.run("volume", "rekey", path);
    assert.equal(code, 0);
    assert.match(out, new RegExp(`opens slot 1; key ${keyId} is deleted\n$`));
    assert.ok(!(await session.run("key", "list", "--json")).out.includes(keyId));
    assert.equal((await session.run("volume", "verify", path)).code, 0);
  });

  it("clones, saves and restores a header, and finds all in order", async () => {
    const session = new Session();
    const [path, copy] = [join(directory, "source.img"), join(directory, "copy.img")];
    const header = join(directory, "source.header");
    await session.run("volume", "create", path, "--size", "64k");
    assert.equal((await session.run("volume", "clone", path, copy)).code, 0);
    for (const [flag, isShared] of [
      ["--own-volume-key", false],
      ["--no-own-volume-key", true],
    ] as const) {
      const other = join(directory, `${flag}.img`);
      assert.equal((await session.run("volume", "clone", path, other, flag)).code, 0);
      assert.equal((await volumeKeyOf(other)) === (await volumeKeyOf(path)), isShared, flag);
      assert.equal((await session.run("volume", "delete", other)).code, 0);
    }
    assert.equal((await session.run("volume", "backup", path, header)).code, 0);
    assert.match((await session.run("volume", "restore", path)).out, /opens slot 0/);
    assert.equal((await session.run("recover")).out, "nothing to recover\n");
    const { out } = await session.run("reconcile", "--json");
    const findings = JSON.parse(out) as readonly { type: string; location: string }[];
    assert.deepEqual(
      findings.map(({ type, location }) => [type, location]),
      [
        ["ok", path],
        ["ok", copy],
      ],
    );
  });

  it("adopts a disk under a key that somebody else made", async () => {
    const session = new Session();
    const path = join(directory, "foreign.img");
    const spec = { algorithm: "aes", bitLength: 256 };
    const key = await session.keyManager.createKey(session.caller, spec);
    const stored = await session.keyManager.get(session.caller, key);
    const passphrase = stored.value.use((bytes) => Buffer.from(Buffer.from(bytes).toString("hex")));
    await writeFile(path, "");
    await truncate(path, 20 * 1024 * 1024);
    await formatLuks2(path, { keyslots: [{ passphrase, entropyBits: 256 }] });
    const { code, out } = await session.run("volume", "adopt", path, "--key", key);
    assert.deepEqual([code, /key (\S+) is kept\n$/.exec(out)?.[1]], [0, key]);
    assert.equal((await session.run("volume", "verify", path)).code, 0);
  });

  it("gives all volumes new keys, with a report, and fails if one keeps its old one", async () => {
    const session = new Session();
    const paths = ["all-1.img", "all-2.img"].map((name) => join(directory, name));
    for (const path of paths) await session.run("volume", "create", path, "--size", "64k");
    const all = ["volume", "rekey", "--all", "--concurrency", "2"];
    const foreseen = await session.run(...all, "--filter", `location=${paths[0]}`, "--dry-run");
    assert.match(foreseen.out, /all-1\.img +selected/);
    assert.ok(!foreseen.out.includes("all-2.img"));
    const { code, out } = await session.run(...all, "--json");
    assert.equal(code, 0);
    const results = JSON.parse(out) as readonly { outcome: string; oldKeyDeleted: boolean }[];
    assert.deepEqual(
      results.map(({ outcome, oldKeyDeleted }) => [outcome, oldKeyDeleted]),
      [
        ["done", true],
        ["done", true],
      ],
    );
    await rm(paths[0] ?? "");
    const partly = await session.run(...all, "--max-errors", "1");
    assert.deepEqual([partly.code, /all-2\.img +done/.test(partly.out)], [14, true]);
    assert.match(partly.error, /rekey: not done with 1 of 2/);
    for (const wrong of [
      [...all, paths[1] ?? ""],
      ["volume", "rekey"],
      [...all, "--filter", "x"],
    ]) {
      assert.equal((await session.run(...wrong)).code, 2);
    }
  });

  it("encrypts a volume anew, says what it would do, and how far it is", async () => {
    const session = new Session({ columns: 80 });
    const path = join(directory, "anew.img");
    const made = await session.run("volume", "create", path, "--size", "64k", "--json");
    const { keyId } = JSON.parse(made.out) as { keyId: string };
    const foreseen = await session.run("volume", "reencrypt", path, "--dry-run");
    assert.equal(foreseen.out, `would re-encrypt ${path}, under key ${keyId}\n`);
    const done = await session.run("volume", "reencrypt", path);
    assert.deepEqual(
      [done.code, done.out],
      [0, `${path}: re-encrypted; key ${keyId} opens slot 0\n`],
    );
    assert.match(done.error, /reencrypt \[#{24}\] 100 %/);
    const again = await session.run("volume", "reencrypt", path, "--rekey", "--json");
    assert.deepEqual(
      again.error
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
      [{ progress: "reencrypt", doneBytes: 65536, totalBytes: 65536 }],
    );
    assert.notEqual((JSON.parse(again.out) as { keyId: string }).keyId, keyId);
  });

  it("encrypts a plain disk in place, makes it larger, and decrypts it only if told twice", async () => {
    const session = new Session();
    const path = join(directory, "plain.raw");
    await writeFile(path, Buffer.alloc(65536, "precious"));
    const foreseen = await session.run("volume", "encrypt", path, "--dry-run");
    assert.equal(foreseen.out, `would encrypt ${path} in place under its own key\n`);
    const made = await session.run("volume", "encrypt", path, "--label", "mine", "--json");
    assert.equal(made.code, 0, made.error);
    const { keyId } = JSON.parse(made.out) as { keyId: string };
    assert.equal((await session.run("volume", "verify", path)).code, 0);
    assert.equal((await session.run("volume", "encrypt", path)).code, 6);
    const larger = await session.run("volume", "resize", path, "--size", "128k");
    assert.equal(larger.out, `${path}: has 128 KiB for data\n`);
    assert.equal((await session.run("volume", "resize", path, "--size", "64k")).code, 2);
    const refused = await session.run("volume", "decrypt", path);
    assert.deepEqual([refused.code, /--leave-unencrypted/.test(refused.error)], [2, true]);
    const would = await session.run("volume", "decrypt", path, "--dry-run");
    assert.equal(would.out, `would leave ${path} unencrypted, and delete key ${keyId}\n`);
    const done = await session.run("volume", "decrypt", path, "--leave-unencrypted");
    assert.equal(done.out, `${path}: not encrypted any more; key ${keyId} is deleted\n`);
    const left = await readFile(path);
    assert.deepEqual([left.length, left.subarray(0, 8).toString()], [131072, "precious"]);
    assert.equal((await session.run("key", "list", "--json")).out, "[]\n");
  });

  it("makes a volume under a key of the user's own, which outlives it", async () => {
    const session = new Session();
    const path = join(directory, "own-key.img");
    const spec = { algorithm: "aes", bitLength: 256 };
    const key = await session.keyManager.createKey(session.caller, spec);
    const made = await session.run("volume", "create", path, "--size", "64k", "--key", key);
    assert.ok(made.out.includes(key), made.error);
    const deleted = await session.run("volume", "delete", path);
    assert.equal(deleted.out, `deleted ${path}; key ${key} is kept\n`);
    assert.equal((await session.run("key", "get", key)).code, 0);
  });

  it("imports a disk with the user's own key, which stays", async () => {
    const session = new Session();
    const path = join(directory, "mine.img");
    const spec = { algorithm: "aes", bitLength: 256 };
    const key = await session.keyManager.createKey(session.caller, spec);
    const stored = await session.keyManager.get(session.caller, key);
    const passphrase = stored.value.use((bytes) => Buffer.from(Buffer.from(bytes).toString("hex")));
    await writeFile(path, "");
    await truncate(path, 20 * 1024 * 1024);
    await formatLuks2(path, { keyslots: [{ passphrase, entropyBits: 256 }] });
    const { out } = await session.run("volume", "import", path, "--key", key);
    assert.equal(out, `${path}: key ${key} opens slot 0\n`);
    assert.equal((await session.run("volume", "import", path, "--key", key)).code, 6);
  });

  it("verifies, backs up and encrypts anew all volumes, and shows how many are done", async () => {
    const session = new Session({ columns: 400 });
    const folder = join(directory, "headers");
    const paths = ["each-1.img", "each-2.img"].map((name) => join(directory, name));
    for (const path of paths) await session.run("volume", "create", path, "--size", "64k");
    const backup = await session.run("volume", "backup", "--all", "--folder", folder);
    assert.deepEqual([backup.code, /each-1\.img +done/.test(backup.out)], [0, true]);
    const anew = await session.run("volume", "reencrypt", "--all", "--json");
    assert.equal(anew.code, 0, anew.error);
    assert.match(anew.error, /reencrypt \[#{24}\] 100 %  2 of 2/);
    const verified = await session.run("volume", "verify", "--all", "--json");
    assert.deepEqual(
      (JSON.parse(verified.out) as { outcome: string }[]).map(({ outcome }) => outcome),
      ["done", "done"],
    );
    await rm(paths[0] ?? "");
    const partly = await session.run("volume", "verify", "--all");
    assert.deepEqual([partly.code, /each-2\.img +done/.test(partly.out)], [14, true]);
    for (const wrong of [
      ["backup", "--all"],
      ["backup", paths[1] ?? ""],
      ["verify", "--all", paths[1] ?? ""],
      ["reencrypt"],
    ]) {
      assert.equal((await session.run("volume", ...wrong)).code, 2, wrong.join(" "));
    }
  });

  it("hands a volume to another project, once it has said what that would do", async () => {
    const session = new Session();
    const path = join(directory, "handed.img");
    const made = await session.run("volume", "create", path, "--size", "64k", "--json");
    const { keyId } = JSON.parse(made.out) as { keyId: string };
    const words = ["volume", "transfer", path, "--to-os-cloud", "bob"];
    const foreseen = await session.run(...words, "--dry-run");
    assert.equal(foreseen.out, `would transfer ${path} to b and delete key ${keyId}\n`);
    assert.equal((await session.run("volume", "verify", path)).code, 0);
    const { code, out } = await session.run(...words);
    assert.deepEqual([code, /key (\S+) is deleted\n$/.exec(out)?.[1]], [0, keyId]);
    assert.equal((await session.run("volume", "verify", path)).code, 5);
    assert.equal((await session.run("key", "list", "--json")).out, "[]\n");
    const [theirs] = await Array.fromAsync(
      session.keyManager.list(session.others["bob"] as Caller),
    );
    assert.ok(out.includes(`key ${theirs?.id} opens slot`));
  });

  it("forgets a volume whose header was overwritten, and makes another on its disk", async () => {
    const session = new Session();
    const [path, name] = [join(directory, "lost.img"), join(directory, "other-name.img")];
    const made = await session.run("volume", "create", path, "--size", "1M", "--json");
    const { id, keyId } = JSON.parse(made.out) as { id: string; keyId: string };
    await link(path, name);
    assert.equal((await session.run("volume", "forget", id)).code, 2);
    await writeFile(path, Buffer.alloc(17 << 20));
    const refused = await session.run("volume", "encrypt", name);
    assert.equal(refused.code, 6);
    assert.ok(refused.error.includes(`run "chatelaine volume forget ${id}"`), refused.error);
    const foreseen = await session.run("volume", "forget", id, "--dry-run");
    assert.equal(foreseen.out, `would forget volume ${id}, and keep key ${keyId}\n`);
    const { out } = await session.run("volume", "forget", id);
    assert.equal(
      out,
      `forgot volume ${id}; key ${keyId} is kept, with the volume as its consumer\n`,
    );
    assert.equal((await session.run("volume", "encrypt", name)).code, 0);
    const findings = await session.run("reconcile", "--json");
    const types = (JSON.parse(findings.out) as { type: string }[]).map(({ type }) => type);
    assert.deepEqual(types, ["ok", "stale_consumer"]);
  });

  it("gives a snapshot a key of its own, and forgets it", async () => {
    const session = new Session();
    const [path, copy] = [join(directory, "parent.img"), join(directory, "monday.img")];
    await session.run("volume", "create", path, "--size", "64k");
    await copyFile(path, copy);
    const made = await session.run("volume", "snapshot", path, copy, "--json");
    const { id, keyId } = JSON.parse(made.out) as { id: string; keyId: string };
    const foreseen = await session.run("volume", "forget", id, "--dry-run");
    assert.equal(foreseen.out, `would delete key ${keyId}\n`);
    assert.equal((await session.run("key", "get", keyId)).code, 0);
    assert.equal((await session.run("volume", "forget", id)).code, 0);
    assert.equal((await session.run("key", "get", keyId)).code, 3);
    assert.equal((await session.run("volume", "forget", id)).code, 3);
    assert.equal((await session.run("volume", "verify", path)).code, 0);
  });

  it("says what adopting and restoring would do, and does nothing", async () => {
    const session = new Session();
    const [path, header] = [join(directory, "foreseen.img"), join(directory, "foreseen.header")];
    const made = await session.run("volume", "create", path, "--size", "64k", "--json");
    const { id, keyId } = JSON.parse(made.out) as { id: string; keyId: string };
    await session.run("volume", "backup", path, header);
    const untouched = await readFile(path);
    const restore = await session.run("volume", "restore", path, "--dry-run");
    assert.equal(
      restore.out,
      `would put ${header} over the header of ${path}; key ${keyId} opens slot 0 of the backup\n`,
    );
    const adopt = await session.run("volume", "adopt", path, "--key", keyId, "--dry-run");
    assert.equal(
      adopt.out,
      `would give ${path} (luks2, ${id}) its own key, and erase key slots 0\n`,
    );
    const other = await session.keyManager.createKey(session.caller, {
      algorithm: "aes",
      bitLength: 256,
    });
    assert.equal(
      (await session.run("volume", "adopt", path, "--key", other, "--dry-run")).code,
      12,
    );
    assert.ok(untouched.equals(await readFile(path)));
    assert.equal(
      (JSON.parse((await session.run("key", "list", "--json")).out) as unknown[]).length,
      2,
    );
    assert.equal((await session.run("disk", "destroy", "vg", "none", "--dry-run")).code, 3);
  });

  it("refuses a path that is taken, a size that is none, and a file that is no volume", async () => {
    const session = new Session();
    const path = join(directory, "taken.img");
    await writeFile(path, "precious");
    assert.equal((await session.run("volume", "create", path, "--size", "1M")).code, 6);
    assert.equal(
      (await session.run("volume", "create", join(directory, "new.img"), "--size", "lots")).code,
      2,
    );
    assert.equal((await session.run("volume", "create", join(directory, "new.img"))).code, 2);
    assert.equal((await session.run("volume", "verify", path)).code, 11);
    assert.equal((await session.run("key", "list", "--json")).out, "[]\n");
  });
});

async function volumeKeyOf(path: string): Promise<string | undefined> {
  return (await readLuks(path)).digests[0]?.fingerprint;
}
