import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseUuid, type Uuid } from "@chatelaine/luks";
import { VolumeError } from "../model/errors.ts";
import { attributeOf } from "./block-device.ts";
import { runTool } from "./run-tool.ts";
import {
  absolutePath,
  type MappingName,
  mappingName,
  type ToolArgument,
  words,
} from "./safe-text.ts";

// While cryptsetup re-encrypts a disk that is open, it puts devices of its own under the mapping. When it is killed
// they stay, in whatever state they were; cryptsetup then neither uses nor removes them all. One that is suspended
// holds up whoever reads or writes there, cryptsetup included, until somebody resumes it.

interface Device {
  readonly name: MappingName;
  readonly isSuspended: boolean;
  /** Another device lies on it. */
  readonly isHeld: boolean;
}

/** Removes what a killed cryptsetup left of a disk's re-encryption and nothing lies on. @throws `busy` while one works on it */
export async function removeLeftDevices(luksUuid: Uuid): Promise<void> {
  for (;;) {
    const unheld = (await leftDevices(luksUuid)).filter(({ isHeld }) => !isHeld);
    if (unheld.length === 0) return;
    for (const { name } of unheld) await runLocked(luksUuid, words`remove --retry ${name}`);
  }
}

/**
 * Takes a mapping away whose cryptsetup was killed while it re-encrypted. Reading and writing
 * that waits for the part that was being encrypted fails: its bytes are of either key.
 *
 * @param mapping the kernel's name for it, such as `dm-1`
 * @returns false if it is not such a mapping
 * @throws `busy` while it is in use, or a cryptsetup works on it
 */
export async function takeApart(name: MappingName, mapping: string): Promise<boolean> {
  const luksUuid = luksUuidIn(await attributeOf(mapping, "dm/uuid"));
  const left = luksUuid === undefined ? [] : await leftDevices(luksUuid);
  if (luksUuid === undefined || left.length === 0) return false;
  for (const device of left.filter(({ isSuspended }) => isSuspended)) {
    await runLocked(luksUuid, words`wipe_table ${device.name}`);
  }
  if ((await runLocked(luksUuid, words`remove --retry ${name}`, [1])) === 1) {
    throw new VolumeError("busy", `unmap /dev/mapper/${name}: it is in use`);
  }
  await removeLeftDevices(luksUuid);
  return true;
}

/** The kernel's name for what a mapping lies on, below what cryptsetup put between. */
export async function deviceBelow(mapping: string): Promise<string | undefined> {
  for (const device of await readdir(`/sys/class/block/${mapping}/slaves`).catch(() => [])) {
    const isBetween = (await attributeOf(device, "dm/uuid")).startsWith(betweenPrefix);
    return isBetween ? deviceBelow(device) : device;
  }
  return undefined;
}

const betweenPrefix = "CRYPT-SUBDEV-";

async function leftDevices(luksUuid: Uuid): Promise<readonly Device[]> {
  const prefix = `${betweenPrefix}${luksUuid.replaceAll("-", "")}-`;
  const found: Device[] = [];
  for (const kernelName of await readdir("/sys/class/block").catch(() => [])) {
    if (!(await attributeOf(kernelName, "dm/uuid")).startsWith(prefix)) continue;
    const name = mappingName(await attributeOf(kernelName, "dm/name"));
    const isSuspended = (await attributeOf(kernelName, "dm/suspended")) === "1";
    const holders = await readdir(`/sys/class/block/${kernelName}/holders`).catch(() => []);
    found.push({ name, isSuspended, isHeld: holders.length > 0 });
  }
  return found;
}

/** Of a mapping of LUKS2, in which the UUID is without hyphens. */
function luksUuidIn(dmUuid: string): Uuid | undefined {
  const [, ...groups] =
    /^CRYPT-LUKS2-([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})-/.exec(
      dmUuid,
    ) ?? [];
  return parseUuid(groups.join("-"));
}

/** The folder in which every cryptsetup locks what it works on (LUKS2's locking; Debian's build). */
const lockFolder = "/run/cryptsetup";
/** What flock says when another process has the lock. */
const isLocked = 75;

/** dmsetup, while no cryptsetup re-encrypts the disk. */
async function runLocked(
  luksUuid: Uuid,
  action: readonly ToolArgument[],
  accept: readonly number[] = [],
): Promise<number> {
  await mkdir(lockFolder, { recursive: true, mode: 0o700 });
  const lock = absolutePath(join(lockFolder, `LN_LUKS2-reencryption-${luksUuid}`));
  const flock = words`--nonblock --conflict-exit-code ${isLocked} ${lock} dmsetup`;
  const { status } = await runTool("flock", [...flock, ...action], {
    accept: [...accept, isLocked],
  });
  if (status !== isLocked) return status;
  throw new VolumeError(
    "busy",
    `disk ${luksUuid}: cryptsetup is re-encrypting it: wait until it ends`,
  );
}
