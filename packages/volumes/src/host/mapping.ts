import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { VolumeError } from "../errors.ts";
import { attributeOf, kernelNameOf } from "./block-device.ts";
import { deviceBelow, takeApart } from "./cut-reencryption.ts";
import type { DiskMapping } from "./disk-use.ts";
import { runTool } from "./run-tool.ts";

/** How a disk without a header is mapped. */
export interface PlainMapping {
  readonly cipher: string;
  readonly keyBitLength: number;
}

/** Where the kernel shows a mapping. */
export function devicePath(name: string): string {
  return `/dev/mapper/${name}`;
}

/**
 * Maps a disk's plaintext to /dev/mapper/NAME, unless it is mapped there already.
 *
 * @param key the passphrase of a LUKS disk; the raw key of a plain one
 * @throws `busy` if the name is taken by another disk; `unsupported`, `tool_failed`
 */
export async function map(
  name: string,
  disk: string,
  key: Uint8Array,
  plain?: PlainMapping,
): Promise<string> {
  // Asking cryptsetup costs as much as mapping.
  const mapped = existsSync(devicePath(name)) ? await mappedDisk(name) : undefined;
  if (mapped !== undefined) {
    if (await isSameDisk(mapped, disk)) return devicePath(name);
    throw new VolumeError("busy", `map ${disk}: ${devicePath(name)} shows ${mapped}`);
  }
  const type = plain === undefined ? ["--type", "luks"] : plainArguments(plain);
  await runTool("cryptsetup", ["open", ...type, "--key-file=-", disk, name], { input: key });
  if (!existsSync(devicePath(name))) {
    throw new VolumeError("tool_failed", `map ${disk}: cryptsetup made no ${devicePath(name)}`);
  }
  return devicePath(name);
}

/** Takes a mapping away, if there is one. @throws `busy` while it is in use, or encrypted anew */
export async function unmap(name: string): Promise<void> {
  const mapping = await kernelNameOf(devicePath(name));
  if (mapping === undefined) return;
  // cryptsetup would read through what it left behind, and wait for ever.
  if (await takeApart(name, mapping)) return;
  // 4: it is not there; 5: it is in use.
  const { status } = await runTool("cryptsetup", ["close", name], { accept: [4, 5] });
  if (status === 5) throw new VolumeError("busy", `unmap ${devicePath(name)}: it is in use`);
}

/**
 * Lets a mapping of a LUKS disk reach to the end of its device, which has grown, or of the
 * file behind its loop device.
 *
 * @throws `unsupported`, `tool_failed`
 */
export async function growMapping(
  { name, device }: DiskMapping,
  passphrase: Uint8Array,
): Promise<void> {
  if (/^\/dev\/loop\d+$/.test(device)) await runTool("losetup", ["--set-capacity", device]);
  await runTool("cryptsetup", ["resize", "--key-file=-", name], { input: passphrase });
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

async function isSameDisk(one: string, other: string): Promise<boolean> {
  return (await targetOf(one)) === (await targetOf(other));
}

/** Device names such as /dev/vg/lv are links to the kernel's own. */
function targetOf(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

/** A hash called "plain" is none: cryptsetup hashes a key from standard input, though not one from a file. */
function plainArguments({ cipher, keyBitLength }: PlainMapping): readonly string[] {
  const keySize = String(keyBitLength);
  return ["--type", "plain", "--hash", "plain", "--cipher", cipher, "--key-size", keySize];
}
