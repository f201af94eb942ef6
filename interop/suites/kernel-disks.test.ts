import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type GuestResult, runInGuest } from "../guest/guest.ts";
import { storageFaultCases } from "../guest/storage-fault-cases.ts";

const directory = mkdtempSync(join(tmpdir(), "disks-interop-"));
after(() => rmSync(directory, { recursive: true }));

for (const [program, how] of [
  ["disks.ts", "by the library"],
  ["commands.ts", "by the command, with keys of our key server"],
] as const) {
  const folder = join(directory, program);
  const disk = join(folder, "physical.img");
  const boot = async (which: "first" | "second"): Promise<void> => {
    const path = fileURLToPath(new URL(`../guest/${program}`, import.meta.url));
    const result = await runInGuest([process.execPath, path, which, folder], {
      shares: [folder],
      disks: [disk],
    });
    assert.equal(result.status, 0, result.stdout + result.stderr);
  };

  describe(`ephemeral disks on a real kernel's LVM and dm-crypt, ${how}`, () => {
    it("have each a key of their own, plain or LUKS2, thick or thin", async () => {
      mkdirSync(folder);
      writeFileSync(disk, "");
      truncateSync(disk, 400 << 20);
      await boot("first");
    });

    it("are mapped again after a reboot by one call, and LUKS volumes open", async () => {
      await boot("second");
    });
  });
}

it("a disk that was LUKS2 once, or a detached header alone, is refused by everything that would write or map it", async () => {
  const folder = join(directory, "old-headers");
  mkdirSync(folder);
  const path = fileURLToPath(new URL("../guest/old-headers.ts", import.meta.url));
  const result = await runInGuest([process.execPath, path, folder], {
    shares: [folder],
    disks: [96 << 20],
    environment: { NODE_NO_WARNINGS: "1" },
    timeoutSeconds: 900,
  });
  assert.equal(result.status, 0, result.stdout + result.stderr);
  console.log(result.stdout);
  assert.equal(result.stdout.match(/^old header under/gm)?.length, 7);
  assert.equal(result.stdout.match(/^detached header of/gm)?.length, 2);
});

it("are killed before and after steps on a real kernel's LVM, and leave nothing", async () => {
  const folder = join(directory, "kills");
  const disk = join(folder, "physical.img");
  mkdirSync(folder);
  writeFileSync(disk, "");
  truncateSync(disk, 160 << 20);
  const path = fileURLToPath(new URL("../../packages/volumes/test/kill/disks.ts", import.meta.url));
  const result = await runInGuest([process.execPath, path, "kill", folder], {
    shares: [folder],
    disks: [disk],
    environment: { NODE_NO_WARNINGS: "1", CHATELAINE_KILLS: process.env["CHATELAINE_KILLS"] ?? "" },
    timeoutSeconds: 900,
  });
  assert.equal(result.status, 0, result.stdout + result.stderr);
  const kills = Number(/kills: (\d+)/.exec(result.stdout)?.[1]);
  console.log(`kills: ${kills}`);
  assert.ok(kills >= 12, `only ${kills} kills`);
});

/** Runs a program in a guest with one empty disk. */
async function runOnNewDisk(program: string): Promise<void> {
  const folder = join(directory, program);
  mkdirSync(folder);
  const path = fileURLToPath(new URL(`../guest/${program}`, import.meta.url));
  const result = await runInGuest([process.execPath, path, folder], {
    shares: [folder],
    disks: [160 << 20],
  });
  assert.equal(result.status, 0, result.stdout + result.stderr);
}

it("one device under several names of a real LVM is one volume", async () => {
  await runOnNewDisk("disk-names.ts");
});

it("volumes are made on a real vfat, which has no hard links", async () => {
  await runOnNewDisk("without-hard-links.ts");
});

describe("storage that is read-only, full, suspended, away, or fails in the middle", () => {
  let guest: GuestResult;
  before(async () => {
    const path = fileURLToPath(new URL("../guest/storage-faults.ts", import.meta.url));
    guest = await runInGuest([process.execPath, path], {
      disks: [64 << 20],
      environment: { NODE_NO_WARNINGS: "1" },
      timeoutSeconds: 600,
    });
  });
  for (const title of Object.keys(storageFaultCases)) {
    it(title, () => {
      assert.ok(guest.stdout.split("\n").includes(`ok ${title}`), guest.stdout + guest.stderr);
    });
  }
});
