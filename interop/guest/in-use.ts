// Runs inside the guest kernel, as root: `node in-use.ts all` prints the outcome of each case, one a line.
// `node in-use.ts as-nobody PATH` tells what a user without rights cannot see.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { diskUse } from "@chatelaine/luks";
import { folder, inUseCases } from "./in-use-cases.ts";

const [act, path = ""] = process.argv.slice(2);

// It takes disks and mounts as its own.
if (process.env["CHATELAINE_GUEST"] !== "1") throw new Error("runs in the guest only");
if (act === "all") await all();
else await asNobody();

async function all(): Promise<void> {
  for (const place of [folder, "/mnt/place"]) mkdirSync(place, { recursive: true });
  execFileSync("mke2fs", ["-q", "-t", "ext4", "/dev/ubda"]);
  execFileSync("mount", ["/dev/ubda", folder]);
  for (const [title, check] of Object.entries(inUseCases)) {
    try {
      blank();
      await check();
      console.log(`ok ${title}`);
    } catch (error) {
      console.log(`failed ${title}`);
      console.error(title, error);
      cleanUp();
    }
  }
}

function blank(): void {
  for (const name of readdirSync(folder)) rmSync(`${folder}/${name}`, { recursive: true });
  for (const disk of ["/dev/ubdb", "/dev/ubdc"]) {
    execFileSync("dd", ["if=/dev/zero", `of=${disk}`, "bs=1M", "count=48", "status=none"]);
    execFileSync("blockdev", ["--rereadpt", disk]);
  }
}

/** What a case that failed has left. */
function cleanUp(): void {
  const script = `
    umount /mnt/place ${folder}/file ${folder}/place; swapoff -a; dmsetup remove_all
    losetup --detach-all; rm -f /run/other-node`;
  try {
    execFileSync("bash", ["-c", `{ ${script}; } 2>/dev/null; true`]);
  } catch (error) {
    console.error(error);
  }
}

async function asNobody(): Promise<void> {
  process.setgroups?.([]);
  process.setgid?.(65534);
  process.setuid?.(65534);
  console.log((await diskUse(path)).unseen.join("; "));
}
