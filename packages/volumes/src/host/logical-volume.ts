import { VolumeError } from "../errors.ts";
import { runTool } from "./run-tool.ts";

/** A logical volume of LVM. */
export interface LogicalVolume {
  readonly group: string;
  readonly name: string;
}

/** LVM's own rule for names (lvm(8)), without a leading hyphen or dot. */
const lvmName = /^[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,126}$/;

export function logicalVolumePath({ group, name }: LogicalVolume): string {
  return `/dev/${group}/${name}`;
}

/** @throws `invalid_argument` */
export function requireLvmName(what: string, name: string): void {
  if (lvmName.test(name)) return;
  throw new VolumeError("invalid_argument", `${what} ${JSON.stringify(name)}: is no name for LVM`);
}

/**
 * Makes a logical volume whose first bytes are zeroes, and marks it as an
 * operation's own.
 *
 * @throws `tool_failed`, also if there is one of that name already
 */
export async function createLogicalVolume(
  { group, name }: LogicalVolume,
  sizeBytes: number,
  tag: string,
): Promise<void> {
  const size = ["--size", `${sizeBytes}b`, "--addtag", tag];
  const words = ["--yes", "--quiet", "--wipesignatures", "n", "--zero", "y"];
  await runTool("lvcreate", [...words, ...size, "--name", name, group]);
}

/** Removes a logical volume, if there is one of that name with this mark. */
export async function removeLogicalVolume(volume: LogicalVolume, tag: string): Promise<void> {
  if (!(await tagsOf(volume)).includes(tag)) return;
  await runTool("lvremove", ["--yes", "--quiet", `${volume.group}/${volume.name}`]);
}

/** Makes it known to the kernel again, as after a reboot. */
export async function activateLogicalVolume({ group, name }: LogicalVolume): Promise<void> {
  await runTool("lvchange", ["--activate", "y", `${group}/${name}`]);
}

async function tagsOf({ group, name }: LogicalVolume): Promise<readonly string[]> {
  const words = ["--noheadings", "--options", "lv_name,lv_tags", "--separator", "|"];
  const { stdout } = await runTool("lvs", [...words, group]);
  const line = stdout.split("\n").find((row) => row.trim().split("|")[0] === name);
  return (line?.trim().split("|")[1] ?? "").split(",");
}
