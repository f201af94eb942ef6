import { randomUUID } from "node:crypto";
import { type ObjectId, refuseUnknownOptions } from "@chatelaine/keys";
import { messageOf, VolumeError } from "./errors.ts";
import {
  activateLogicalVolume,
  type LogicalVolume,
  logicalVolumePath,
  requireLvmName,
} from "./host/logical-volume.ts";
import { devicePath, mappedDisk } from "./host/mapping.ts";
import type { VolumeRecord } from "./ledger/ledger.ts";
import { createDiskOperation, destroyDiskOperation, mapDisk } from "./operations/disk.ts";
import { perform } from "./operations/perform.ts";
import { recover } from "./operations/registry.ts";
import { projectOf, type VolumeContext } from "./volume-context.ts";

/** Whose disk, how large, and in which volume group. */
export interface CreateDiskOptions {
  /** LVM's volume group. */
  readonly group: string;
  /** Of the logical volume; the mapping is called the same, with `-crypt`. */
  readonly name: string;
  /** In bytes; LVM rounds it up to whole extents. */
  readonly sizeBytes: number;
  /** Whose disk it is: an instance's id. */
  readonly instance: string;
}

/** An ephemeral disk, and where its plaintext is. */
export interface Disk {
  readonly id: string;
  readonly instance: string;
  /** Of the logical volume. */
  readonly location: string;
  /** `/dev/mapper/…` */
  readonly device: string;
  readonly keyId: ObjectId;
}

/**
 * Makes an encrypted ephemeral disk: a logical volume, a 512-bit key of its own,
 * and the mapping, in dm-crypt's plain mode with the key's raw bytes.
 *
 * Needs root, and the Debian packages lvm2 and cryptsetup-bin.
 *
 * @throws `invalid_argument`, `exists`, `unsupported`, `tool_failed`
 */
export async function createDisk(
  context: VolumeContext,
  options: CreateDiskOptions,
): Promise<Disk> {
  refuseUnknownOptions("createDisk", options, ["group", "name", "sizeBytes", "instance"]);
  const { group, name, sizeBytes, instance } = options;
  requireLvmName("create disk: group", group);
  requireLvmName("create disk: name", name);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 512) {
    throw new VolumeError("invalid_argument", `create disk ${name}: it needs a size in bytes`);
  }
  await recover(context);
  const volume = { group, name };
  const location = logicalVolumePath(volume);
  if ((await context.ledger.volumeAt(location)) !== undefined) {
    throw new VolumeError("exists", `create disk ${location}: it is in the ledger already`);
  }
  const mapping = `${name}-crypt`;
  const mapped = await mappedDisk(mapping);
  if (mapped !== undefined) {
    throw new VolumeError("exists", `create disk ${location}: ${mapping} shows ${mapped} already`);
  }
  const id = randomUUID();
  const input = { volume, sizeBytes, mapping, instance };
  await perform(createDiskOperation, context, { volumeId: id, input });
  return findDisk(context, volume);
}

/** What came of one disk when the mappings were restored. */
export interface RestoredDisk extends Disk {
  /** Undefined if it is mapped. */
  readonly problem: string | undefined;
}

/**
 * Maps all disks of the context's project on this host again, as after a reboot of the host.
 * What is mapped already stays as it is; one disk's failure keeps no other from it.
 */
export async function restoreDisks(context: VolumeContext): Promise<readonly RestoredDisk[]> {
  await recover(context);
  const restored: RestoredDisk[] = [];
  for (const record of await context.ledger.volumes({
    kind: "disk",
    project: projectOf(context),
    host: context.ledger.host,
  })) {
    const { volume, mapping, keyId } = partsOf(record);
    const disk = diskOf(record);
    try {
      await activateLogicalVolume(volume);
      await mapDisk(context, mapping, volume, keyId);
      restored.push({ ...disk, problem: undefined });
    } catch (error) {
      restored.push({ ...disk, problem: messageOf(error) });
    }
  }
  return restored;
}

/**
 * Destroys a disk: mapping, logical volume, key. Without the key, what remains of
 * its data on the physical volume is noise.
 *
 * @throws `not_found`; `busy` while the mapped device is in use: nothing is lost then
 */
export async function destroyDisk(
  context: VolumeContext,
  { group, name }: LogicalVolume,
): Promise<void> {
  await recover(context);
  const record = await recordOf(context, { group, name });
  await perform(destroyDiskOperation, context, { volumeId: record.id, input: partsOf(record) });
}

/**
 * A disk as the ledger has it.
 *
 * @throws `not_found`
 */
export async function findDisk(context: VolumeContext, volume: LogicalVolume): Promise<Disk> {
  return diskOf(await recordOf(context, volume));
}

async function recordOf({ ledger }: VolumeContext, volume: LogicalVolume): Promise<VolumeRecord> {
  const location = logicalVolumePath(volume);
  const record = await ledger.volumeAt(location);
  if (record?.kind === "disk") return record;
  throw new VolumeError("not_found", `disk ${location}: the ledger has no such disk`);
}

function diskOf(record: VolumeRecord): Disk {
  const { id, location, attributes } = record;
  const { mapping, keyId } = partsOf(record);
  return {
    id,
    instance: attributes["instance"] ?? "",
    location,
    device: devicePath(mapping),
    keyId,
  };
}

function partsOf({ attributes, keyId, location }: VolumeRecord) {
  const { group, name, mapping } = attributes;
  if (group === undefined || name === undefined || mapping === undefined || keyId === undefined) {
    throw new VolumeError("mismatch", `disk ${location}: the ledger does not say how it is mapped`);
  }
  return { volume: { group, name }, mapping, keyId };
}
