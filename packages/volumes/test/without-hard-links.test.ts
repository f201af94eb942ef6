import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MemoryKeyManager, type ProjectCaller } from "@chatelaine/keys";
import {
  backupVolumeHeader,
  cloneVolume,
  createVolume,
  type Ledger,
  openLedger,
  recover,
  restoreVolumeHeader,
  type VolumeContext,
  verifyVolume,
} from "../src/index.ts";
import { refuseHardLinks, replaceInFs } from "./no-hard-links.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 4096;

describe("on a file system without hard links", () => {
  let directory: string;
  let path: string;
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;
  let putBack: (() => void)[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-no-links-"));
    path = join(directory, "volume.img");
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "state", "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
    putBack = [];
  });
  afterEach(async () => {
    for (const end of putBack) end();
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const keys = () => Array.fromAsync(keyManager.list(caller));
  const nothingIsLeft = async () => {
    assert.deepEqual(await readdir(directory), ["state"]);
    assert.deepEqual(await ledger.volumes(), []);
    assert.deepEqual(await keys(), []);
  };

  for (const code of ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]) {
    it(`makes a volume where link fails with ${code}`, async () => {
      putBack.push(refuseHardLinks(code));
      await createVolume(volumes, { path, sizeBytes });
      assert.equal((await verifyVolume(volumes, path)).openedSlot, 0);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.deepEqual((await readdir(directory)).toSorted(), ["state", "volume.img"]);
    });
  }

  it("clones a volume, and backs its header up and restores it", async () => {
    putBack.push(refuseHardLinks("EPERM"));
    await createVolume(volumes, { path, sizeBytes });
    for (const ownVolumeKey of [true, false]) {
      const copy = join(directory, `copy-${ownVolumeKey}.img`);
      await cloneVolume(volumes, path, { path: copy, ownVolumeKey });
      assert.equal((await verifyVolume(volumes, copy)).layoutRecord, "recorded");
    }
    await backupVolumeHeader(volumes, path, join(directory, "header"));
    await restoreVolumeHeader(volumes, path);
  });

  it("does not replace a file that appears while the volume is made", async () => {
    putBack.push(refuseHardLinks("EPERM"));
    const onStep = async () => {
      await writeFile(path, "somebody else's", { flag: "wx" }).catch(() => undefined);
    };
    const work = createVolume({ ...volumes, onStep: () => void onStep() }, { path, sizeBytes });
    await assert.rejects(work, { code: "exists" });
    assert.equal(await readFile(path, "utf8"), "somebody else's");
    await rm(path);
    await nothingIsLeft();
  });

  it("does not replace what somebody writes into its placeholder", async () => {
    putBack.push(refuseHardLinks("EPERM"));
    const openAndBeDisturbed = replaceInFs("open", (open) => async (file, flags, mode) => {
      const handle = await open(file, flags, mode);
      if (file !== path || flags !== "wx") return handle;
      const close = handle.close.bind(handle);
      handle.close = async () => {
        await close();
        await appendFile(path, "somebody else's");
      };
      return handle;
    });
    putBack.push(openAndBeDisturbed);
    await assert.rejects(createVolume(volumes, { path, sizeBytes }), { code: "exists" });
    assert.match(await readFile(path, "utf8"), /somebody else's$/);
  });

  it("leaves nothing when the file cannot take its name", async () => {
    putBack.push(refuseHardLinks("EPERM"));
    putBack.push(
      replaceInFs("rename", () => async () => {
        throw Object.assign(new Error("EIO: rename"), { code: "EIO" });
      }),
    );
    await assert.rejects(createVolume(volumes, { path, sizeBytes }), { code: "io" });
    await nothingIsLeft();
  });

  it("leaves nothing after recover when the process is killed with its name taken", async () => {
    const victim = fileURLToPath(new URL("killed-while-placing.ts", import.meta.url));
    const { signal, stderr } = spawnSync(process.execPath, [victim, directory]);
    assert.equal(signal, "SIGKILL", stderr.toString());
    assert.match(await readFile(path, "utf8"), /^chatelaine puts \.chatelaine-[-0-9a-f]+ here\n$/);
    const [recovered] = await recover(volumes);
    assert.deepEqual([recovered?.operation, recovered?.outcome], ["create", "undone"]);
    await nothingIsLeft();
  });
});
