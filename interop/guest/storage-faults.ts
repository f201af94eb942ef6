// Runs inside the guest kernel, as root: `node storage-faults.ts` prints the outcome of each case, one a line. Storage that
// is read-only, full, suspended, away, or fails in the middle.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { folder, storageFaultCases } from "./storage-fault-cases.ts";

// It takes disks and mounts as its own.
if (process.env["CHATELAINE_GUEST"] !== "1") throw new Error("runs in the guest only");
mkdirSync(folder, { recursive: true });
execFileSync("mount", ["-t", "tmpfs", "-o", "size=200M", "tmpfs", folder]);
for (const [title, check] of Object.entries(storageFaultCases)) {
  try {
    execFileSync("dd", ["if=/dev/zero", "of=/dev/ubda", "bs=1M", "count=56", "status=none"]);
    await check();
    console.log(`ok ${title}`);
  } catch (error) {
    console.log(`failed ${title}`);
    console.error(title, error);
    const script = `
      blockdev --setrw /dev/ubda; dmsetup resume faulty; dmsetup remove faulty
      chattr -R -i ${folder}/place; umount ${folder}/place
      vgremove --force --yes thin; pvremove /dev/ubda
      ip link set lo up; umount -f -l ${folder}/nfs; losetup -D; rpc.nfsd 0; umount /proc/fs/nfsd`;
    execFileSync("bash", ["-c", `{ ${script}; } 2>/dev/null; true`]);
  }
}
// A call that a failed case left behind may never return.
process.exit();
