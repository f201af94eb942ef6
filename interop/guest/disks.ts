// Runs inside the guest kernel, as root: `node disks.ts first|second FOLDER`. The two boots share FOLDER and the disk.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Caller,
  type KeyManager,
  MemoryKeyManager,
  type ObjectId,
  SecretBytes,
  type StoredObject,
} from "@chatelaine/keys";
import {
  closeDisk,
  closeVolume,
  createDisk,
  createVolume,
  destroyDisk,
  openDisk,
  openLedger,
  openVolume,
  openVolumes,
  resizeDisk,
  restoreDisks,
  snapshotDisk,
  type VolumeContext,
} from "@chatelaine/volumes";
import { forge } from "../../packages/volumes/test/forge.ts";
import { read, write } from "./device-text.ts";
import { checkForms, keptLocations, makeForms } from "./disk-forms.ts";

const [boot, folder = ""] = process.argv.slice(2);
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const ledger = openLedger({ path: join(folder, "ledger.sqlite") });
const kept = join(folder, "kept.json");
const sizeBytes = 16 << 20;

if (boot === "first") await first();
else await second();
await ledger.close();

/** Two disks of one instance, one of another that is destroyed again, and a LUKS volume. */
async function first(): Promise<void> {
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const volumes = { keyManager, caller, ledger };
  execFileSync("pvcreate", ["-q", "/dev/ubda"]);
  execFileSync("vgcreate", ["-q", "vg", "/dev/ubda"]);

  const disks = [];
  for (const name of ["one", "two", "doomed"]) {
    const disk = await createDisk(volumes, { group: "vg", name, sizeBytes, instance: "i" });
    write(disk.device, `plaintext of ${name}`);
    disks.push(disk);
  }
  execFileSync("sync");
  assert.ok(!readFileSync("/dev/vg/one").includes("plaintext of one"));
  const keys = await Array.fromAsync(keyManager.list(caller));
  assert.deepEqual(
    keys.map(({ bitLength }) => bitLength),
    [512, 512, 512],
  );
  // The raw bytes are the key: the table of the kernel says so, in hexadecimal.
  const table = execFileSync("dmsetup", ["table", "--showkeys", "one-crypt"], { encoding: "utf8" });
  const record = await ledger.volumeAt("/dev/vg/one");
  const { value } = await keyManager.get(caller, record?.keyId as ObjectId);
  assert.ok(table.includes(value.use((bytes) => Buffer.from(bytes).toString("hex"))));

  await assert.rejects(
    createDisk(volumes, { group: "vg", name: "one", sizeBytes, instance: "j" }),
    {
      code: "exists",
    },
  );
  await assert.rejects(
    createDisk(volumes, { group: "vg", name: "huge", sizeBytes: 2 ** 40, instance: "j" }),
    { code: "tool_failed" },
  );
  const held = openSync("/dev/mapper/doomed-crypt", "r");
  await assert.rejects(destroyDisk(volumes, { group: "vg", name: "doomed" }), { code: "busy" });
  closeSync(held);
  await destroyDisk(volumes, { group: "vg", name: "doomed" });
  assert.equal((await Array.fromAsync(keyManager.list(caller))).length, 2);
  assert.ok(!execFileSync("lvs", { encoding: "utf8" }).includes("doomed"));
  assert.deepEqual(await ledger.unfinished(), []);

  execFileSync("lvcreate", ["-q", "-y", "-L", "24M", "-n", "luks", "vg"]);
  await createVolume(volumes, { path: "/dev/vg/luks" });
  const { device, name } = await openVolume(volumes, "/dev/vg/luks");
  write(device, "plaintext of luks");
  assert.deepEqual((await openVolume(volumes, "/dev/vg/luks")).device, device);
  await closeVolume(name);
  await closeVolume(name);
  await manyAtOnce(volumes);
  await makeForms(volumes);
  await changedHeader(volumes);
  await sameNameInTwoGroups(volumes);

  // A key manager is elsewhere and outlives the host; here, a file has to do.
  const objects: [ObjectId, string][] = [];
  for await (const { id } of keyManager.list(caller)) {
    const key = await keyManager.get(caller, id);
    objects.push([id, key.value.use((bytes) => Buffer.from(bytes).toString("hex"))]);
  }
  writeFileSync(kept, JSON.stringify(objects), { mode: 0o600 });
}

/** What the kernel is told by us is what it is told by cryptsetup; and cryptsetup knows the mappings for its own. */
async function manyAtOnce(volumes: VolumeContext): Promise<void> {
  const made = [
    { path: "/dev/vg/luks" },
    { path: "/dev/vg/sectors", sectorSize: 4096 },
    { path: "/dev/vg/luks1", format: "luks1" },
    { path: join(folder, "luks.img"), sizeBytes: 1 << 20 },
  ] as const;
  for (const name of ["sectors", "luks1"]) {
    execFileSync("lvcreate", ["-q", "-y", "-L", "20M", "-n", name, "vg"]);
  }
  for (const options of made.slice(1)) {
    await createVolume(volumes, options);
    const { device, name } = await openVolume(volumes, options.path);
    write(device, `plaintext of ${options.path}`);
    await closeVolume(name);
  }
  write("/dev/mapper/one-crypt", "plaintext of one");
  for (const round of ["maps", "finds"]) {
    const results = await openVolumes(volumes, [...made.map(({ path }) => path), "/dev/vg/one"]);
    for (const [index, { path }] of made.entries()) {
      const { opened, problem } = results[index] ?? {};
      assert.ok(opened, `${round} ${path}: ${problem}`);
      const text = path === "/dev/vg/luks" ? "plaintext of luks" : `plaintext of ${path}`;
      assert.equal(read(opened.device, text.length), text);
      const status = execFileSync("cryptsetup", ["status", opened.name], { encoding: "utf8" });
      assert.match(status, path.endsWith("luks1") ? /type: +LUKS1/ : /type: +LUKS2/);
    }
    assert.match(results.at(-1)?.problem ?? "", /LUKS/);
  }
  // Under a name of its own it is not shown a second time.
  const [simple] = made;
  await closeVolume((await openVolumes(volumes, [simple.path]))[0]?.opened?.name ?? "");
  await openVolume(volumes, simple.path, "mine");
  const all = await openVolumes(volumes);
  assert.equal(all[0]?.opened?.name, "mine");
  assert.deepEqual(
    all.map(({ path }) => path),
    made.map(({ path }) => path),
  );
  for (const { opened } of all) await closeVolume(opened?.name ?? "");
}

/** Somebody who can write the medium changes a LUKS2 disk's cipher: no way to the disk shows the tenant's data by it. */
async function changedHeader(volumes: VolumeContext): Promise<void> {
  const disk = { group: "vg", name: "forged" };
  const made = await createDisk(volumes, { ...disk, sizeBytes, instance: "i", format: "luks2" });
  write(made.device, "plaintext of forged");
  await closeDisk(volumes, disk);
  await changeCipher("serpent-xts-plain64");
  for (const readOnly of [false, true]) {
    await assert.rejects(openDisk(volumes, disk, { readOnly }), {
      code: "integrity",
      message: /cipher is serpent-xts-plain64, not aes-xts-plain64/,
    });
  }
  await assert.rejects(resizeDisk(volumes, disk, 2 * sizeBytes), { code: "integrity" });
  await assert.rejects(snapshotDisk(volumes, disk, { name: "other" }), { code: "integrity" });
  const restored = await restoreDisks(volumes);
  assert.match(
    restored.find(({ location }) => location === made.location)?.problem ?? "",
    /cipher is serpent-xts-plain64/,
  );
  assert.ok(!existsSync(made.device));
  await changeCipher("aes-xts-plain64");
  await openDisk(volumes, disk);
  assert.equal(read(made.device, 19), "plaintext of forged");
  execFileSync("lvextend", ["-q", "-L", "+4M", "/dev/vg/forged"]);
  await assert.rejects(openDisk(volumes, disk), { code: "integrity", message: /size is/ });
  await resizeDisk(volumes, disk, 2 * sizeBytes);
  await openDisk(volumes, disk);
  await destroyDisk(volumes, disk);
}

/** Both would be /dev/mapper/twin-crypt: each is refused while the other is mapped, and leaves its mapping alone. */
async function sameNameInTwoGroups(volumes: VolumeContext): Promise<void> {
  const backing = join(folder, "other-group.img");
  execFileSync("truncate", ["-s", "64M", backing]);
  const loop = execFileSync("losetup", ["--find", "--show", backing], { encoding: "utf8" }).trim();
  execFileSync("pvcreate", ["-q", loop]);
  execFileSync("vgcreate", ["-q", "other", loop]);
  const [one, other] = [
    { group: "vg", name: "twin" },
    { group: "other", name: "twin" },
  ];
  const refused = { message: /twin-crypt shows/ };

  const { device } = await createDisk(volumes, { ...one, sizeBytes, instance: "i" });
  write(device, "plaintext of vg");
  await assert.rejects(createDisk(volumes, { ...other, sizeBytes, instance: "i" }), refused);
  assert.equal(read(device, 15), "plaintext of vg");
  await closeDisk(volumes, one);

  await createDisk(volumes, { ...other, sizeBytes, instance: "i" });
  write(device, "plaintext of other");
  await assert.rejects(openDisk(volumes, one), refused);
  await closeDisk(volumes, one);
  const problems = new Map(
    (await restoreDisks(volumes)).map(({ location, problem }) => [location, problem]),
  );
  assert.equal(problems.get("/dev/other/twin"), undefined);
  assert.match(problems.get("/dev/vg/twin") ?? "", refused.message);
  await destroyDisk(volumes, one);
  assert.equal(read(device, 18), "plaintext of other");

  await destroyDisk(volumes, other);
  execFileSync("vgremove", ["-q", "other"]);
  execFileSync("losetup", ["--detach", loop]);
}

function changeCipher(encryption: string): Promise<void> {
  return forge("/dev/vg/forged", ({ segments }) => {
    Object.assign(segments["0"] ?? {}, { encryption });
  });
}

/** After the reboot nothing is mapped; one call maps it all. */
async function second(): Promise<void> {
  const objects = new Map(JSON.parse(readFileSync(kept, "utf8")) as [ObjectId, string][]);
  const keyManager = {
    get: async (_caller: Caller, id: ObjectId) =>
      ({
        type: "symmetric",
        id,
        value: new SecretBytes(Buffer.from(objects.get(id) ?? "", "hex")),
      }) as unknown as StoredObject,
  } as unknown as KeyManager;
  const volumes = { keyManager, caller, ledger };
  const restored = await restoreDisks(volumes);
  assert.deepEqual(
    restored.map(({ location, problem }) => [location, problem]),
    [
      ["/dev/vg/one", undefined],
      ["/dev/vg/two", undefined],
      ...keptLocations.map((location) => [location, undefined]),
    ],
  );
  for (const name of ["one", "two"]) {
    assert.equal(read(`/dev/mapper/${name}-crypt`, 16), `plaintext of ${name}`);
  }
  const again = await restoreDisks(volumes);
  assert.ok(again.every(({ problem }) => problem === undefined));
  await checkForms();
  // Other logical volumes are the host's business.
  execFileSync("vgchange", ["-q", "-ay", "vg"]);
  const { device } = await openVolume(volumes, "/dev/vg/luks");
  assert.equal(read(device, 17), "plaintext of luks");
}
