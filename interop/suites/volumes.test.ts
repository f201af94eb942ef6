import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { BarbicanKeyManager, type ObjectId } from "@chatelaine/keys";
import {
  adoptVolume,
  cloneVolume,
  createVolume,
  deleteVolume,
  openLedger,
  reconcile,
  recover,
  rekeyVolume,
  type VolumeContext,
  VolumeError,
  verifyVolume,
} from "@chatelaine/volumes";
import { labCaller } from "../barbican/callers.ts";
import { startBarbicanLab } from "../barbican/lab.ts";
import { runTool } from "../host/run-tool.ts";

describe("volumes with keys of the real Barbican", () => {
  const directory = mkdtempSync(join(tmpdir(), "volumes-interop-"));
  const path = join(directory, "disk.img");
  const ledger = openLedger({ path: join(directory, "state/ledger.sqlite") });
  let volumes: VolumeContext;
  let stop: () => Promise<void>;

  before(async () => {
    const lab = await startBarbicanLab();
    stop = () => lab.stop();
    const keyManager = new BarbicanKeyManager({
      region: lab.regions.secure,
      warn: () => undefined,
    });
    volumes = { keyManager, caller: labCaller(lab, "demo"), ledger };
  });
  after(async () => {
    await ledger.close();
    rmSync(directory, { recursive: true });
    await stop();
  });

  const hexOf = async (id: ObjectId) =>
    (await volumes.keyManager.get(volumes.caller, id)).value.use((bytes) =>
      Buffer.from(bytes).toString("hex"),
    );
  const isThere = (id: ObjectId) =>
    volumes.keyManager.describe(volumes.caller, id).then(
      () => true,
      () => false,
    );

  it("lives through its life: cryptsetup opens it after each step, and no key is left", async () => {
    const made = await createVolume(volumes, { path, sizeBytes: 1024 * 1024 });
    const first = await hexOf(made.keyId);
    opensWith(path, first);
    const { keyId } = await rekeyVolume(volumes, path);
    opensWith(path, await hexOf(keyId));
    assert.throws(() => opensWith(path, first), /status 2/);
    const copy = join(directory, "copy.img");
    const clone = await cloneVolume(volumes, path, { path: copy });
    opensWith(copy, await hexOf(clone.keyId));
    for (const finding of await reconcile(volumes)) {
      if (finding.location !== undefined) assert.equal(finding.type, "ok", finding.detail);
    }
    await deleteVolume(volumes, path);
    await deleteVolume(volumes, copy);
    for (const id of [made.keyId, keyId, clone.keyId]) assert.equal(await isThere(id), false);
  });

  it("adopts a volume as os-brick makes it: LUKS1, the key's hexadecimal text for a passphrase", async () => {
    const { keyManager, caller } = volumes;
    const foreign = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
    writeFileSync(path, "");
    truncateSync(path, 20 * 1024 * 1024);
    const cheap = ["--pbkdf-force-iterations", "1000"];
    const words = ["--batch-mode", "luksFormat", "--type", "luks1", "--key-file=-", ...cheap, path];
    runTool("cryptsetup", words, { input: await hexOf(foreign) });
    const { keyId } = await adoptVolume(volumes, path, { keyId: foreign });
    assert.equal((await verifyVolume(volumes, path)).keyId, keyId);
    opensWith(path, await hexOf(keyId));
    await deleteVolume(volumes, path);
    assert.deepEqual([await isThere(keyId), await isThere(foreign)], [false, true]);
    await keyManager.delete(caller, foreign);
  });

  it("takes back a creation that was cut while Barbican was making the key", async () => {
    let cut = false;
    const dying: VolumeContext = {
      ...volumes,
      onStep: ({ step, moment }) => {
        // As a process does that dies: nothing more is written, the lock aside.
        if (step === "make the key" && moment === "taken") {
          cut = true;
          throw new VolumeError("io", "cut");
        }
      },
      keyManager: new Proxy(volumes.keyManager, {
        get(target, name) {
          const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
          if (typeof method !== "function") return method;
          return (...args: unknown[]) => {
            if (cut) throw new VolumeError("io", "cut");
            return method.apply(target, args);
          };
        },
      }),
    };
    await assert.rejects(createVolume(dying, { path, sizeBytes: 4096 }), { code: "unfinished" });
    const [recovered] = await recover(volumes);
    assert.ok(recovered);
    assert.deepEqual([recovered.outcome, recovered.problem], ["undone", undefined]);
    const name = `volume-${recovered.volumeId}-${recovered.operationId}`;
    const left = await Array.fromAsync(volumes.keyManager.list(volumes.caller, { name }));
    assert.deepEqual(left, []);
  });
});

function opensWith(path: string, hex: string): void {
  const words = ["open", "--test-passphrase", "--key-file=-", path];
  runTool("cryptsetup", words, { input: hex });
}
