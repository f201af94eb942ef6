import { VolumeError } from "../model/errors.ts";
import { runTool } from "./run-tool.ts";
import { type LvmName, lvmName, lvmPath, words } from "./safe-text.ts";

/** A logical volume of LVM. */
export interface LogicalVolume {
  readonly group: string;
  readonly name: string;
}

export function logicalVolumePath({ group, name }: LogicalVolume): string {
  return `/dev/${group}/${name}`;
}

/** @throws `invalid_argument` */
export function requireLvmName(what: string, name: string): void {
  lvmName(what, name);
}

/** Where the space comes from. */
export interface LogicalVolumeSpace {
  /** In bytes; LVM rounds it up to whole extents. */
  readonly sizeBytes: number;
  /** Name of a thin pool in the group, which gives space as it is written to. Default: all of it at once. */
  readonly thinPool?: string | undefined;
}

/**
 * Makes a logical volume whose first bytes are zeroes, and marks it as an
 * operation's own.
 *
 * @throws `tool_failed`, also if there is one of that name already
 */
export async function createLogicalVolume(
  { group, name }: LogicalVolume,
  { sizeBytes, thinPool }: LogicalVolumeSpace,
  tag: string,
): Promise<void> {
  const marks = words`--yes --quiet --wipesignatures n --addtag ${tagName(tag)}`;
  // A thin volume reads as zeroes anyway.
  const space =
    thinPool === undefined
      ? words`--zero y --size ${sizeBytes}b`
      : words`--thinpool ${lvmName("thin pool", thinPool)} --virtualsize ${sizeBytes}b`;
  const place = words`--name ${lvmName("volume", name)} ${lvmName("group", group)}`;
  await runTool("lvcreate", [...marks, ...space, ...place]);
}

/**
 * Makes a snapshot beside its origin, and marks it. One of a thick volume has room
 * for a fifth of it to be overwritten meanwhile; then it fails whoever reads it.
 */
export async function snapshotLogicalVolume(
  origin: LogicalVolume,
  name: string,
  tag: string,
): Promise<void> {
  const { pool } = await attributesOf(origin);
  const marks = words`--yes --quiet --snapshot --setactivationskip n --addtag ${tagName(tag)}`;
  const room = pool === "" ? words`--extents 20%ORIGIN` : [];
  const place = words`--name ${lvmName("snapshot", name)} ${pathIn(origin)}`;
  await runTool("lvcreate", [...marks, ...room, ...place]);
}

/** Removes a logical volume, if there is one of that name with this mark. */
export async function removeLogicalVolume(volume: LogicalVolume, tag: string): Promise<void> {
  if (!(await isMarked(volume, tag))) return;
  await runTool("lvremove", words`--yes --quiet ${pathIn(volume)}`);
}

/** Whether there is a logical volume of that name with this mark. */
export async function isMarked(volume: LogicalVolume, tag: string): Promise<boolean> {
  return (await find(volume))?.tags.includes(tag) ?? false;
}

/** Makes them known to the kernel again, as after a reboot. */
export async function activateLogicalVolumes(volumes: readonly LogicalVolume[]): Promise<void> {
  if (volumes.length === 0) return;
  const paths = volumes.flatMap((volume) => words`${pathIn(volume)}`);
  await runTool("lvchange", [...words`--activate y`, ...paths]);
}

/** @returns what a size comes to in a group's whole extents */
export async function wholeExtents(volume: LogicalVolume, bytes: number): Promise<number> {
  const { extentBytes } = await attributesOf(volume);
  return Math.ceil(bytes / extentBytes) * extentBytes;
}

/** In bytes. */
export async function sizeOf(volume: LogicalVolume): Promise<number> {
  return (await attributesOf(volume)).bytes;
}

/** Changes the size, if it is `from`. @throws `tool_failed` if there is no room */
export async function resizeLogicalVolume(
  volume: LogicalVolume,
  from: number,
  to: number,
): Promise<void> {
  if ((await sizeOf(volume)) !== from) return;
  const size = words`--yes --quiet --size ${to}b ${pathIn(volume)}`;
  if (to > from) await runTool("lvextend", size);
  if (to < from) await runTool("lvreduce", [...words`--force`, ...size]);
}

interface Attributes {
  readonly tags: readonly string[];
  /** Of a thin volume. */
  readonly pool: string;
  readonly bytes: number;
  readonly extentBytes: number;
}

async function attributesOf(volume: LogicalVolume): Promise<Attributes> {
  const found = await find(volume);
  if (found !== undefined) return found;
  throw new VolumeError("not_found", `logical volume ${pathIn(volume)}: it is not there`);
}

async function find({ group, name }: LogicalVolume): Promise<Attributes | undefined> {
  const form = words`--noheadings --units b --nosuffix --separator |`;
  const columns = words`--options lv_name,lv_tags,pool_lv,lv_size,vg_extent_size`;
  const { stdout } = await runTool("lvs", [
    ...form,
    ...columns,
    ...words`${lvmName("group", group)}`,
  ]);
  const lines = stdout.split("\n").map((line) => line.trim().split("|"));
  const [, tags = "", pool = "", bytes, extentBytes] = lines.find(([one]) => one === name) ?? [];
  if (bytes === undefined) return undefined;
  return { tags: tags.split(","), pool, bytes: Number(bytes), extentBytes: Number(extentBytes) };
}

function pathIn({ group, name }: LogicalVolume): LvmName {
  return lvmPath(lvmName("group", group), lvmName("volume", name));
}

function tagName(tag: string): LvmName {
  return lvmName("tag", tag);
}
