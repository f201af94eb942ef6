import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

/** What a disk that was LUKS2 once is now, made and used by the real tools. */
export interface LaterContent {
  /** In the words of `LuksError.holds`. */
  readonly kind: string;
  readonly make: () => void;
  /** Fails if it is damaged. */
  readonly use: () => void;
}

const mountPoint = "/mnt/later";
const text = "what the disk holds now";

/** Everything lies at the beginning, where no key slot of the old header is. The kernel would choose other blocks each time. */
const plainFileSystem = ["-q", "-F", "-E", "nodiscard", "-b", "4096", "-N", "64"];

export function laterContents(disk: string): readonly LaterContent[] {
  return [
    {
      kind: "lvm",
      make: () => {
        run("pvcreate", "-q", "-y", disk);
        run("vgcreate", "-q", "-y", "later", disk);
        run("lvcreate", "-q", "-y", "-L", "32M", "-n", "data", "later");
        makeFileSystem("/dev/later/data");
        run("vgchange", "-q", "-an", "later");
      },
      use: () => {
        run("vgchange", "-q", "-ay", "later");
        useFileSystem("/dev/later/data");
        run("vgchange", "-q", "-an", "later");
        run("vgck", "later");
      },
    },
    partitions(disk, "mbr", "dos"),
    partitions(disk, "gpt", "gpt"),
    {
      kind: "swap",
      make: () => void run("mkswap", disk),
      use: () => {
        run("swapon", disk);
        run("swapoff", disk);
      },
    },
    { kind: "ext", make: () => makeFileSystem(disk), use: () => useFileSystem(disk) },
  ];
}

function partitions(disk: string, kind: string, label: string): LaterContent {
  const inPartition = (work: (device: string) => void) => {
    const place = ["--offset", `${1 << 20}`, "--sizelimit", `${32 << 20}`];
    const device = run("losetup", "--find", "--show", ...place, disk).trim();
    try {
      work(device);
    } finally {
      run("losetup", "--detach", device);
    }
  };
  return {
    kind,
    make: () => {
      execFileSync("sfdisk", ["--quiet", "--wipe", "never", "--no-reread", disk], {
        input: `label: ${label}\nstart=1MiB, size=32MiB, type=L\n`,
      });
      inPartition(makeFileSystem);
    },
    use: () => {
      assert.match(run("sfdisk", "--dump", disk), new RegExp(`label: ${label}[^]*size= *65536`));
      inPartition(useFileSystem);
    },
  };
}

function makeFileSystem(device: string): void {
  const files = "/tmp/later";
  mkdirSync(files, { recursive: true });
  writeFileSync(`${files}/file`, text);
  run("mke2fs", ...plainFileSystem, "-d", files, device);
}

function useFileSystem(device: string): void {
  run("e2fsck", "-fn", device);
  mkdirSync(mountPoint, { recursive: true });
  run("mount", "-t", "ext2", "-o", "ro", device, mountPoint);
  try {
    assert.equal(readFileSync(`${mountPoint}/file`, "utf8"), text);
  } finally {
    run("umount", mountPoint);
  }
}

/** @returns its standard output */
export function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
