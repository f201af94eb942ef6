import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import {
  type CheckedHeader,
  requireAttached,
  type SegmentCipher,
  type Unlocked,
  type VolumeKey,
} from "@chatelaine/luks";
import { VolumeError } from "../model/errors.ts";
import { attributeOf, kernelNameOf } from "./block-device.ts";
import { deviceBelow, takeApart } from "./cut-reencryption.ts";
import { isSameDisk } from "./disk-identity.ts";
import { type DiskMapping, requireUnused } from "./disk-use.ts";
import { withPrivateHeader } from "./private-header-file.ts";
import { runTool } from "./run-tool.ts";
import { absolutePath, type MappingName, mappingName, words } from "./safe-text.ts";

/** What the kernel is told of a disk. */
export type Mappable =
  /** A header that was checked, and the volume key that it has proven. */
  | { readonly type: "luks"; readonly header: CheckedHeader; readonly volumeKey: VolumeKey }
  /** A disk without a header, and the key itself. */
  | {
      readonly type: "plain";
      readonly cipher: SegmentCipher;
      readonly keyBitLength: number;
      readonly key: Uint8Array;
    };

/** Where the kernel shows a mapping. */
export function devicePath(name: string): string {
  return `/dev/mapper/${name}`;
}

/**
 * Maps a disk's plaintext to /dev/mapper/NAME, unless it is mapped there already. The disk's own header is not read:
 * cryptsetup gets one of ours. It keeps the volume key of LUKS2 in the kernel's keyring; that of LUKS1 and plain disks
 * is in the kernel's table, which root can read.
 *
 * @throws `busy` if the name is taken by another disk, or the disk is a file that anybody uses; `unsupported`, `tool_failed`
 */
export async function map(name: MappingName, disk: string, what: Mappable): Promise<string> {
  // Asking cryptsetup costs as much as mapping.
  const mapped = existsSync(devicePath(name)) ? await mappedDisk(name) : undefined;
  if (mapped !== undefined) {
    if (await isSameDisk(mapped, disk)) return devicePath(name);
    throw new VolumeError("busy", `map ${disk}: ${devicePath(name)} shows ${mapped}`);
  }
  // Each opening of a file makes a loop device of its own, and two of them that write are a lost file system.
  if ((await stat(disk)).isFile()) await requireUnused("map", disk);
  await (what.type === "luks" ? mapLuks(name, disk, what) : mapPlain(name, disk, what));
  if (!existsSync(devicePath(name))) {
    throw new VolumeError("tool_failed", `map ${disk}: cryptsetup made no ${devicePath(name)}`);
  }
  return devicePath(name);
}

async function mapLuks(
  name: MappingName,
  disk: string,
  { header, volumeKey }: Extract<Mappable, { type: "luks" }>,
): Promise<void> {
  requireAttached(`map ${disk}`, header);
  await withPrivateHeader(header, volumeKey, (file, input) => {
    const type = header.version === 1 ? words`--type luks1` : words`--type luks2`;
    const how = words`--batch-mode --header ${file} --key-slot 0 --key-file=-`;
    const to = words`${absolutePath(disk)} ${name}`;
    return runTool("cryptsetup", [...words`open`, ...type, ...how, ...to], { input });
  });
}

/** A hash called "plain" is none: cryptsetup hashes a key from standard input, though not one from a file. */
async function mapPlain(
  name: MappingName,
  disk: string,
  { cipher, keyBitLength, key }: Extract<Mappable, { type: "plain" }>,
): Promise<void> {
  const how = words`--type plain --hash plain --cipher ${cipher} --key-size ${keyBitLength}`;
  const to = words`--key-file=- ${absolutePath(disk)} ${name}`;
  await runTool("cryptsetup", [...words`open`, ...how, ...to], { input: key });
}

/**
 * Takes a mapping away, if there is one.
 *
 * @returns whether there was one
 * @throws `busy` while it is in use, or encrypted anew
 */
export async function unmap(name: MappingName): Promise<boolean> {
  const mapping = await kernelNameOf(devicePath(name));
  if (mapping === undefined) return false;
  await removeMapping(name, mapping);
  return true;
}

async function removeMapping(name: MappingName, mapping: string): Promise<void> {
  // cryptsetup would read through what it left behind, and wait for ever.
  if (await takeApart(name, mapping)) return;
  if (!(await isOursAlone(mapping))) return close(name);
  // cryptsetup would read the disk's header first.
  const { status } = await runTool("dmsetup", words`remove --retry ${name}`, { accept: [1] });
  if (status === 1 && existsSync(devicePath(name))) throw inUse(name);
}

/** As {@link unmap}, unless the name shows another disk: such a mapping stays, and the result is false. */
export async function unmapDisk(name: MappingName, disk: string): Promise<boolean> {
  const mapped = await mappedDisk(name);
  if (mapped === undefined || !(await isSameDisk(mapped, disk))) return false;
  return unmap(name);
}

/** dm-crypt right on a disk, which dmsetup takes away whole. Below integrity there is a second mapping. */
async function isOursAlone(mapping: string): Promise<boolean> {
  if (!/^CRYPT-(LUKS[12]|PLAIN)-/.test(await attributeOf(mapping, "dm/uuid"))) return false;
  for (const below of await readdir(`/sys/class/block/${mapping}/slaves`).catch(() => [])) {
    if ((await attributeOf(below, "dm/uuid")).startsWith("CRYPT-")) return false;
  }
  return true;
}

async function close(name: MappingName): Promise<void> {
  // 4: it is not there; 5: it is in use.
  const { status } = await runTool("cryptsetup", words`close ${name}`, { accept: [4, 5] });
  if (status === 5) throw inUse(name);
}

function inUse(name: MappingName): VolumeError {
  return new VolumeError("busy", `unmap ${devicePath(name)}: it is in use`);
}

/**
 * Lets a mapping reach to the end of its device, which has grown, or of the file behind its loop device. As with
 * {@link map}, the disk's own header is not read.
 *
 * @param what undefined for a plain disk, which needs no key for it
 * @throws `unsupported`, `tool_failed`
 */
export async function growMapping(
  { name, device }: DiskMapping,
  what: Pick<Unlocked, "header" | "volumeKey"> | undefined,
): Promise<void> {
  const mapping = mappingName(name);
  if (/^\/dev\/loop\d+$/.test(device)) {
    await runTool("losetup", words`--set-capacity ${absolutePath(device)}`);
  }
  if (what === undefined) {
    await runTool("cryptsetup", words`resize ${mapping}`);
    return;
  }
  await withPrivateHeader(what.header, what.volumeKey, (file, input) =>
    runTool("cryptsetup", words`resize --header ${file} --key-file=- ${mapping}`, { input }),
  );
}

/** @returns what a mapping shows: a block device, or the file behind a loop device; undefined if there is none */
export async function mappedDisk(name: string): Promise<string | undefined> {
  const mapping = await kernelNameOf(devicePath(name));
  if (mapping === undefined) return undefined;
  const below = await deviceBelow(mapping);
  if (below === undefined) return "something unknown";
  const file = await attributeOf(below, "loop/backing_file");
  const dmName = await attributeOf(below, "dm/name");
  return file || (dmName === "" ? `/dev/${below}` : devicePath(dmName));
}
