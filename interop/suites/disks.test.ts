import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runInGuest } from "../guest/guest.ts";

const directory = mkdtempSync(join(tmpdir(), "disks-interop-"));
const disk = join(directory, "physical.img");
const program = fileURLToPath(new URL("../guest/disks.ts", import.meta.url));
after(() => rmSync(directory, { recursive: true }));

async function boot(which: "first" | "second"): Promise<void> {
  const result = await runInGuest([process.execPath, program, which, directory], {
    shares: [directory],
    disks: [disk],
  });
  assert.equal(result.status, 0, result.stdout + result.stderr);
}

describe("ephemeral disks on a real kernel's LVM and dm-crypt", () => {
  it("D1 D2 D4 D5 D6 D12 have each a key of their own, of 512 raw bits, destroyed with the disk", async () => {
    writeFileSync(disk, "");
    truncateSync(disk, 160 << 20);
    await boot("first");
  });

  it("D10 are mapped again after a reboot by one call, and LUKS volumes open", async () => {
    await boot("second");
  });
});
