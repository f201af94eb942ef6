import assert from "node:assert/strict";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { runInGuest } from "../guest/guest.ts";

it("operations on a volume are killed on a real kernel's LVM, and leave no key without volume and no volume without key", async () => {
  const program = "../../packages/volumes/test/kill/on-device.ts";
  const result = await runInGuest(
    [process.execPath, fileURLToPath(new URL(program, import.meta.url))],
    {
      disks: [64 << 20],
      environment: {
        NODE_NO_WARNINGS: "1",
        CHATELAINE_KILL_DEVICE: "/dev/vg/disk",
        CHATELAINE_KILLS: process.env["CHATELAINE_KILLS"] ?? "1",
      },
      timeoutSeconds: 1200,
    },
  );
  assert.equal(result.status, 0, result.stdout + result.stderr);
  console.log(result.stdout);
  const kills = Number(/^kills: (\d+)/m.exec(result.stdout)?.[1]);
  assert.ok(kills >= 9, `only ${kills} kills`);
});
