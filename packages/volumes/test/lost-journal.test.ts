import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ObjectId, type ProjectCaller } from "@chatelaine/keys";
import { withOpenDisk } from "@chatelaine/luks";
import {
  createVolume,
  decryptVolume,
  type Ledger,
  openLedger,
  recover,
  type VolumeContext,
} from "../src/index.ts";
import { lendPassphrase } from "../src/key/passphrase.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
/** In memory where possible: syncs to a busy disk are slow. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const mebibyte = 1024 * 1024;
/** More than one batch, which is as long as the header. */
const sizeBytes = 20 * mebibyte;
const content = () => Buffer.alloc(sizeBytes, "precious ");

describe("a decryption in place that is cut, on a host where its journal is not mounted afterwards", () => {
  let directory: string;
  let path: string;
  let keyId: ObjectId;
  let ledger: Ledger;
  let volumes: VolumeContext;
  const journal = () => `${path}.chatelaine`;

  beforeEach(async () => {
    directory = await mkdtemp(join(scratch, "chatelaine-lost-journal-"));
    path = join(directory, "volume.img");
    const keyManager = new MemoryKeyManager({ warn: () => undefined });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
    ({ keyId } = await createVolume(volumes, { path, sizeBytes }));
    await lendPassphrase(await keyManager.get(caller, keyId), (passphrase) =>
      withOpenDisk(path, passphrase, (disk) => disk.write(0, content()), { access: "write" }),
    );
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const cut = (atBytes: number): VolumeContext => ({
    ...volumes,
    onProgress: ({ doneBytes }) => {
      if (doneBytes >= atBytes) throw new Error("the power fails");
    },
  });
  const outcome = async () => (await recover(volumes))[0];

  it("keeps its key, says where the journal should be, and goes on once it is there", async () => {
    await assert.rejects(decryptVolume(cut(18 * mebibyte), path), { code: "unfinished" });
    const away = join(directory, "away");
    renameSync(journal(), away);

    const failed = await outcome();
    assert.equal(failed?.outcome, "failed");
    assert.match(failed.problem ?? "", /journal is not in .*volume\.img\.chatelaine.*key is kept/);
    await volumes.keyManager.get(caller, keyId);

    renameSync(away, journal());
    assert.equal((await outcome())?.outcome, "finished");
    assert.ok(content().equals(readFileSync(path)));
    assert.ok(!existsSync(journal()));
    await assert.rejects(volumes.keyManager.get(caller, keyId), { code: "not_found" });
  });

  it("is finished when it was killed after the last byte, before the ledger knew", async () => {
    const write = ledger.write.bind(ledger);
    ledger.write = async (record, changes) => {
      if (record.phase === "finishing" && record.step === 1) throw new Error("the power fails");
      await write(record, changes);
    };
    await assert.rejects(decryptVolume(volumes, path), { code: "unfinished" });
    ledger.write = write;
    assert.equal((await outcome())?.outcome, "finished");
    assert.ok(content().equals(readFileSync(path)));
    assert.ok(!existsSync(journal()));
    rmSync(path);
  });
});
