import assert from "node:assert/strict";
import { link, mkdtemp, open, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import { formatLuks2 } from "@chatelaine/luks";
import { wipeHeader } from "../src/disk/wipe.ts";
import { createVolume, deleteVolume, openLedger } from "../src/index.ts";

const caller: Caller = { type: "project", projectId: "a", userId: "alice" };

describe("wiping a header that somebody else may have written", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-wipe-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it("does not fill the file system of the host by a header that claims a large area", async () => {
    const path = join(directory, "disk.img");
    const ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    try {
      const keyManager = new MemoryKeyManager({ warn: () => undefined });
      const volumes = { keyManager, caller, ledger };
      await createVolume(volumes, { path, sizeBytes: 64 * 1024, format: "luks1" });
      // A second name shows what the deletion wrote.
      const other = join(directory, "other.img");
      await link(path, other);
      const { size } = await stat(path);
      await writePayloadOffset(path, (256 << 20) / 512);
      await deleteVolume(volumes, path);
      assert.equal((await stat(other)).size, size);
    } finally {
      await ledger.close();
    }
  });

  const laterContents = [
    ["an LVM physical volume", 512, "LABELONE"],
    ["btrfs, which begins with zeroes", 0x10040, "_BHRfS_M"],
  ] as const;
  for (const [what, offset, magic] of laterContents) {
    it(`does not wipe a disk that has become ${what}`, async () => {
      const path = join(directory, "disk.img");
      const uuid = crypto.randomUUID();
      const keyslots = [{ passphrase: Buffer.alloc(16, "key"), entropyBits: 128 }];
      await writeFile(path, Buffer.alloc(18 << 20));
      await formatLuks2(path, { uuid, keyslots });
      const bytes = await readFile(path);
      bytes.fill(0, 0, offset < 0x4000 ? 4096 : offset).write(magic, offset);
      await writeFile(path, bytes);
      assert.equal(await wipeHeader(path, uuid, 16 << 20, "file"), false);
      assert.ok((await readFile(path)).equals(bytes));
    });
  }

  it("does not wipe another file through a link that was put in the place of the disk", async () => {
    const [victim, path] = [join(directory, "victim"), join(directory, "disk.img")];
    const bytes = Buffer.concat([Buffer.alloc(0x10000), Buffer.alloc(0x10000, "data")]);
    await writeFile(victim, bytes);
    await symlink(victim, path);
    await assert.rejects(wipeHeader(path, crypto.randomUUID(), bytes.length, "file"), {
      code: "io",
    });
    assert.ok((await readFile(victim)).equals(bytes));
  });
});

/** In sectors of 512 bytes (LUKS1 On-Disk Format, figure 1). */
async function writePayloadOffset(path: string, sectors: number): Promise<void> {
  const disk = await open(path, "r+");
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(sectors);
  await disk.write(bytes, 0, 4, 104);
  await disk.close();
}
