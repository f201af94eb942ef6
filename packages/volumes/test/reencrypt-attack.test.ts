import assert from "node:assert/strict";
import { createHash, pbkdf2Sync } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ProjectCaller } from "@chatelaine/keys";
import {
  type CheckedHeader,
  checkHeader,
  unlock,
  type VolumeKey,
  withOpenDisk,
} from "@chatelaine/luks";
import {
  createVolume,
  decryptVolume,
  type Ledger,
  openLedger,
  recover,
  reencryptVolume,
  type StepEvent,
  type VolumeContext,
  verifyVolume,
} from "../src/index.ts";
import { lendPassphrase } from "../src/key/passphrase.ts";
import { fingerprintOf } from "../src/operations/reencrypt.ts";
import { forge, killAtTheEnd, type Metadata } from "./forge.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
/** In memory where possible: syncs to a busy disk are slow. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

describe("re-encryption of a disk that the owner of a copied volume key can write", () => {
  let directory: string;
  let path: string;
  let ledger: Ledger;
  let volumes: VolumeContext;
  let copied: VolumeKey;

  beforeEach(async () => {
    directory = await mkdtemp(join(scratch, "chatelaine-reencrypt-attack-"));
    path = join(directory, "volume.img");
    const keyManager = new MemoryKeyManager({ warn: () => undefined });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
    const { keyId } = await createVolume(volumes, { path, sizeBytes: 64 * 1024 });
    const key = await keyManager.get(caller, keyId);
    ({ volumeKey: copied } = await lendPassphrase(key, (passphrase) => unlock(path, passphrase)));
  });
  afterEach(async () => {
    copied.destroy();
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const opensWithCopiedKey = () =>
    withOpenDisk(path, copied, async () => true).catch((error: { code: string }) => {
      assert.equal(error.code, "wrong_passphrase");
      return false;
    });
  /** Something is done to the journal once it is there. */
  const attackJournal = (attack: (folder: string) => void): VolumeContext => ({
    ...volumes,
    onStep: ({ step, moment }: StepEvent) => {
      if (step === "write the journal" && moment === "taken") attack(`${path}.chatelaine`);
    },
  });

  it("does not keep the copied volume key by the removal of the journal", async () => {
    await reencryptVolume(
      attackJournal((folder) => rmSync(folder, { recursive: true })),
      path,
    );
    assert.equal(await opensWithCopiedKey(), false);
    await verifyVolume(volumes, path);
  });

  it("does not keep the copied volume key by the old header in the new one's place", async () => {
    const attacked = attackJournal((folder) =>
      copyFileSync(join(folder, "old-header"), join(folder, "new-header")),
    );
    await reencryptVolume(attacked, path);
    assert.equal(await opensWithCopiedKey(), false);
    await verifyVolume(volumes, path);
  });

  it("does not lose its key while it is still encrypted, by the removal of the journal of its decryption", async () => {
    const attacked = attackJournal((folder) => rmSync(folder, { recursive: true }));
    const { keyDeleted } = await decryptVolume(attacked, path);
    assert.equal(keyDeleted, true);
    await assert.rejects(checkHeader(path), { code: "not_luks" });
  });

  it("does not copy another disk of the host onto this one by a journal that says so", async () => {
    const victim = join(directory, "victim");
    const imageBytes = 1 << 20;
    writeFileSync(victim, Buffer.alloc(imageBytes, "the victim's own data "));
    const begun = { operation: "copy", from: "raw", to: "raw", source: victim, phase: "data" };
    const state = { ...begun, totalBytes: imageBytes, doneBytes: 0, imageBytes };
    const sha256 = createHash("sha256").update(JSON.stringify(state)).digest("hex");
    const attacked = attackJournal((folder) =>
      writeFileSync(join(folder, "state"), JSON.stringify({ state, sha256 })),
    );
    await assert.rejects(reencryptVolume(attacked, path), { code: "unfinished" });
    assert.ok(!readFileSync(path).includes("the victim's own data"));
  });

  for (const name of ["batch", "state.new"]) {
    it(`does not write another file of the host through a link called ${name} in the journal`, async () => {
      const victim = join(directory, "victim");
      writeFileSync(victim, "the victim's own data");
      const attacked = attackJournal((folder) => symlinkSync(victim, join(folder, name)));
      await reencryptVolume(attacked, path).catch(() => undefined);
      assert.equal(readFileSync(victim, "utf8"), "the victim's own data");
    });
  }

  /** As if our process and cryptsetup had died while the volume was open. @param old the header that was to get another key */
  async function cutWhileOpen(old: CheckedHeader): Promise<void> {
    const { id, keyId } = await verifyVolume(volumes, path);
    const now = new Date();
    const facts = {
      isMapped: true,
      slot: 0,
      oldVolumeKey: fingerprintOf(old),
      oldDigest: old.digest,
    };
    const lock = await ledger.lock(id);
    await ledger.write({
      id: crypto.randomUUID(),
      kind: "reencrypt",
      volumeId: id,
      project: "a",
      host: ledger.host,
      phase: "finishing",
      step: 0,
      input: { location: path, keyId, dropOtherSlots: false },
      facts,
      problem: undefined,
      created: now,
      updated: now,
    });
    await lock.release();
  }

  for (const [what, change] of [
    ["a further digest", addDigest],
    ["another digest of it", replaceDigest],
  ] as const) {
    it(`does not keep the copied volume key by ${what} while the volume is open`, async () => {
      await cutWhileOpen(await checkHeader(path));
      await copied.use((bytes) => forge(path, (metadata) => change(metadata, bytes)));
      const [recovered] = await recover(volumes);
      const isKept = recovered?.outcome === "finished" && (await opensWithCopiedKey());
      assert.equal(isKept, false, "it counts as re-encrypted, and has the volume key of before");
    });
  }

  it("is finished where cryptsetup cannot, because it was killed at the end", async () => {
    const other = join(directory, "other.img");
    await createVolume(volumes, { path: other, sizeBytes: 64 * 1024 });
    await cutWhileOpen(await checkHeader(other));
    await forge(path, killAtTheEnd);
    await assert.rejects(verifyVolume(volumes, path), {
      code: "in_reencryption",
      message: /chatelaine recover/,
    });
    const [recovered] = await recover(volumes);
    assert.deepEqual([recovered?.outcome, recovered?.problem], ["finished", undefined]);
    await verifyVolume(volumes, path);
    assert.equal(await opensWithCopiedKey(), true);
  });

  for (const [what, change, problem] of [
    ["that the end of a re-encryption is missing", () => undefined, /volume key of before/],
    ["of another cipher, too", changeCiphers, /cipher/],
  ] as const) {
    it(`does not keep the copied volume key by a header that says ${what}`, async () => {
      await cutWhileOpen(await checkHeader(path));
      await forge(path, (metadata) => {
        killAtTheEnd(metadata);
        change(metadata);
      });
      const before = readFileSync(path);
      const [recovered] = await recover(volumes);
      assert.equal(recovered?.outcome, "failed");
      assert.match(recovered.problem ?? "", problem);
      assert.ok(readFileSync(path).equals(before), "nothing is written");
    });
  }
});

function changeCiphers({ segments }: Metadata): void {
  for (const segment of Object.values(segments)) segment["encryption"] = "serpent-xts-plain64";
}

/** It covers nothing and opens nothing. */
function addDigest({ digests }: Metadata): void {
  digests["7"] = { ...digests["0"], keyslots: [], segments: [] };
}

function replaceDigest({ digests }: Metadata, volumeKey: Uint8Array): void {
  const salt = Buffer.alloc(32, 1);
  const digest = pbkdf2Sync(volumeKey, salt, 1000, 32, "sha256").toString("base64");
  Object.assign(digests["0"] as object, {
    hash: "sha256",
    iterations: 1000,
    salt: salt.toString("base64"),
    digest,
  });
}
