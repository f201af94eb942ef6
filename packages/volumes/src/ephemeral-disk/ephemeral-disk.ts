import { randomUUID } from "node:crypto";
import { type ObjectId, refuseUnknownOptions } from "@chatelaine/keys/interface";
import { perform } from "../engine/perform.ts";
import {
  activateLogicalVolumes,
  type LogicalVolume,
  logicalVolumePath,
  requireLvmName,
  sizeOf,
  wholeExtents,
} from "../host/logical-volume.ts";
import { devicePath, mappedDisk, unmapDisk } from "../host/mapping.ts";
import { mappingName } from "../host/safe-text.ts";
import { messageOf, VolumeError } from "../model/errors.ts";
import type { VolumeRecord } from "../model/ledger.ts";
import { projectOf, type VolumeContext } from "../model/volume-context.ts";
import { headerBytes } from "../operations/create.ts";
import { createDiskOperation, type DiskInput, destroyDiskOperation } from "../operations/disk.ts";
import {
  type DiskFormat,
  type DiskParts,
  mapDisk,
  mapDisks,
  readOnlyMapping,
  showReadOnly,
} from "../operations/disk-mapping.ts";
import { resizeDiskOperation } from "../operations/disk-resize.ts";
import { recover, recoverFor } from "../operations/registry.ts";
import { trustedVolume } from "../record/trusted-volume.ts";
import { proveVolume } from "../volume/verify-volume.ts";

/** A disk to make. */
export interface CreateDiskOptions {
  /** LVM's volume group. */
  readonly group: string;
  /** Of the logical volume; the mapping is called the same, with `-crypt`. */
  readonly name: string;
  /** For the plaintext, in bytes; LVM rounds it up to whole extents. */
  readonly sizeBytes: number;
  /** Whose disk it is: an instance's id. */
  readonly instance: string;
  /**
   * `plain` (default): a 512-bit key encrypts the sectors, and nothing on the disk says what it is. `luks2`: the
   * disk names its key, and can be rekeyed and re-encrypted.
   */
  readonly format?: DiskFormat | undefined;
  /** Name of a thin pool in the group, which gives space as it is written to. Default: all of it at once. */
  readonly thinPool?: string | undefined;
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
 * Makes an encrypted ephemeral disk: a logical volume, a key of its own, and the
 * mapping.
 *
 * Needs root, and the Debian packages lvm2 and cryptsetup-bin.
 *
 * @throws `invalid_argument`, `exists`, `unsupported`, `tool_failed`
 */
export async function createDisk(
  context: VolumeContext,
  options: CreateDiskOptions,
): Promise<Disk> {
  const names = ["group", "name", "sizeBytes", "instance", "format", "thinPool"];
  refuseUnknownOptions("createDisk", options, names);
  const { group, name, sizeBytes, instance, format, thinPool } = options;
  requireLvmName("create disk: group", group);
  return makeDisk(context, { group, name }, { sizeBytes, instance, format, thinPool });
}

/** Where a disk's data at this instant is to go. */
export interface SnapshotDiskOptions {
  /** Of the new disk's logical volume, in the same group. */
  readonly name: string;
  /** Whose it is; default the same instance's. */
  readonly instance?: string | undefined;
  /** Default: as the disk itself. */
  readonly format?: DiskFormat | undefined;
  /** Default: none, all space at once. */
  readonly thinPool?: string | undefined;
}

/**
 * Copies a disk, as it is at one instant, to a new disk with a key of its own: who
 * has the one key cannot read the other, and either may be destroyed. The disk may
 * be in use; what its file system has not written yet is not in the copy.
 *
 * Takes a snapshot of LVM's for as long as it copies.
 *
 * @throws `not_found`, `exists`, `tool_failed`, `io`; nothing is left then
 */
export async function snapshotDisk(
  context: VolumeContext,
  volume: LogicalVolume,
  options: SnapshotDiskOptions,
): Promise<Disk> {
  refuseUnknownOptions("snapshotDisk", options, ["name", "instance", "format", "thinPool"]);
  await recoverFor(context, logicalVolumePath(volume));
  const record = await withLayout(context, await recordOf(context, volume));
  const parts = partsOf(record);
  const lock = await context.ledger.lock(record.id);
  try {
    const space = await sizeOf(volume);
    const { name, instance = diskOf(record).instance, format = parts.format, thinPool } = options;
    return await makeDisk(
      context,
      { group: volume.group, name },
      {
        sizeBytes: parts.format === "luks2" ? space - headerBytes : space,
        instance,
        format,
        thinPool,
        from: parts,
      },
    );
  } finally {
    await lock.release();
  }
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
  const records = await context.ledger.volumes({
    kind: "disk",
    project: projectOf(context),
    host: context.ledger.host,
  });
  // All at once; whatever that leaves out is tried alone, which says why.
  const volumes = records.map((record) => partsOf(record).volume);
  await activateLogicalVolumes(volumes).catch(() => undefined);
  const parts: DiskParts[] = [];
  for (const record of records) {
    parts.push(partsOf(await withLayout(context, record).catch(() => record)));
  }
  const mapped = await mapDisks(context, parts).catch(() => new Set<string>());
  const restored: RestoredDisk[] = [];
  for (const record of records) {
    const { volume } = partsOf(record);
    const disk = diskOf(record);
    try {
      if (!mapped.has(record.id)) {
        await activateLogicalVolumes([volume]);
        await mapDisk(context, partsOf(await withLayout(context, record)));
      }
      restored.push({ ...disk, problem: undefined });
    } catch (error) {
      restored.push({ ...disk, problem: messageOf(error) });
    }
  }
  return restored;
}

/** How a disk is shown. */
export interface OpenDiskOptions {
  /** A second device beside the disk's own, which refuses writes: `…-crypt-ro`. Default false. */
  readonly readOnly?: boolean | undefined;
}

/**
 * Maps one disk again; or shows it read-only besides, to look into it from another
 * instance. Opening what is open is no error.
 *
 * @throws `not_found`, `busy`, `integrity`, `tool_failed`
 */
export async function openDisk(
  context: VolumeContext,
  volume: LogicalVolume,
  options: OpenDiskOptions = {},
): Promise<Disk> {
  refuseUnknownOptions("openDisk", options, ["readOnly"]);
  await recoverFor(context, logicalVolumePath(volume));
  const found = await recordOf(context, volume);
  await activateLogicalVolumes([volume]);
  const record = await withLayout(context, found);
  const parts = partsOf(record);
  if (options.readOnly !== true) {
    await mapDisk(context, parts);
    return diskOf(record);
  }
  const mapping = readOnlyMapping(parts.mapping);
  return { ...diskOf(record), device: await showReadOnly(context, { ...parts, mapping }) };
}

/**
 * Takes the mapping away, or the second, read-only one.
 *
 * @returns whether it was open
 * @throws `not_found`, `busy`
 */
export async function closeDisk(
  context: VolumeContext,
  volume: LogicalVolume,
  options: OpenDiskOptions = {},
): Promise<boolean> {
  refuseUnknownOptions("closeDisk", options, ["readOnly"]);
  const { mapping } = partsOf(await recordOf(context, volume));
  const shown = mappingName(options.readOnly === true ? readOnlyMapping(mapping) : mapping);
  return unmapDisk(shown, logicalVolumePath(volume));
}

/** A disk, and how much there is room for in it. */
export interface ResizedDisk extends Disk {
  /** Of the plaintext. */
  readonly sizeBytes: number;
}

/**
 * Makes a disk larger, in use or not: the logical volume, and the mapping if there
 * is one. Then grow the file system on it. It is never made smaller, since nobody can
 * say whether a file system still needs the end.
 *
 * @param sizeBytes for the plaintext; LVM rounds it up to whole extents
 * @throws `not_found`; `invalid_argument` for a smaller size; `tool_failed` without room
 */
export async function resizeDisk(
  context: VolumeContext,
  volume: LogicalVolume,
  sizeBytes: number,
): Promise<ResizedDisk> {
  await recoverFor(context, logicalVolumePath(volume));
  const record = await withLayout(context, await recordOf(context, volume));
  const parts = partsOf(record);
  if (parts.format === "luks2") {
    await trustedVolume(context, record.location, { mayHaveGrown: true });
  }
  const header = parts.format === "luks2" ? headerBytes : 0;
  requireSize(`resize disk ${volume.name}`, sizeBytes);
  const before = await sizeOf(volume);
  const after = await wholeExtents(volume, sizeBytes + header);
  if (after < before) {
    throw new VolumeError(
      "invalid_argument",
      `resize disk ${record.location}: it has ${before - header} bytes and is never shrunk, because its file system may use the end`,
    );
  }
  await perform(resizeDiskOperation, context, {
    volumeId: record.id,
    keyId: record.keyId,
    input: { ...parts, before, after },
  });
  return { ...diskOf(record), sizeBytes: after - header };
}

/**
 * Destroys a disk: mappings, logical volume, key. Without the key, what remains of
 * its data on the physical volume is noise.
 *
 * @throws `not_found`; `busy` while a mapped device is in use: nothing is lost then
 */
export async function destroyDisk(
  context: VolumeContext,
  { group, name }: LogicalVolume,
): Promise<void> {
  await recoverFor(context, logicalVolumePath({ group, name }));
  const record = await recordOf(context, { group, name });
  const { volume, mapping, keyId } = partsOf(record);
  await perform(destroyDiskOperation, context, {
    volumeId: record.id,
    keyId,
    input: { volume, mapping, keyId },
  });
}

/**
 * A disk as the ledger has it.
 *
 * @throws `not_found`
 */
export async function findDisk(context: VolumeContext, volume: LogicalVolume): Promise<Disk> {
  return diskOf(await recordOf(context, volume));
}

/** Optional, and not merely undefined: it goes into the ledger. */
interface NewDisk extends Pick<DiskInput, "sizeBytes" | "instance" | "from"> {
  readonly format: DiskFormat | undefined;
  readonly thinPool: string | undefined;
}

async function makeDisk(
  context: VolumeContext,
  volume: LogicalVolume,
  { sizeBytes, instance, format = "plain", thinPool, from }: NewDisk,
): Promise<Disk> {
  const { name } = volume;
  requireLvmName("create disk: name", name);
  if (thinPool !== undefined) requireLvmName("create disk: thin pool", thinPool);
  if (format !== "plain" && format !== "luks2") {
    throw new VolumeError("invalid_argument", `create disk ${name}: format ${String(format)}`);
  }
  requireSize(`create disk ${name}`, sizeBytes);
  await recoverFor(context, logicalVolumePath(volume));
  const location = logicalVolumePath(volume);
  if ((await context.ledger.volumeAt(location)) !== undefined) {
    throw new VolumeError("exists", `create disk ${location}: it is in the ledger already`);
  }
  const mapping = `${name}-crypt`;
  const mapped = await mappedDisk(mapping);
  if (mapped !== undefined) {
    throw new VolumeError("exists", `create disk ${location}: ${mapping} shows ${mapped} already`);
  }
  const input: DiskInput = {
    volume,
    sizeBytes,
    mapping,
    instance,
    format,
    ...(thinPool !== undefined && { thinPool }),
    ...(from !== undefined && { from }),
  };
  await perform(createDiskOperation, context, { volumeId: randomUUID(), input });
  return findDisk(context, volume);
}

function requireSize(what: string, sizeBytes: number): void {
  if (Number.isSafeInteger(sizeBytes) && sizeBytes >= 512) return;
  throw new VolumeError("invalid_argument", `${what}: it needs a size in bytes`);
}

async function recordOf({ ledger }: VolumeContext, volume: LogicalVolume): Promise<VolumeRecord> {
  const location = logicalVolumePath(volume);
  const record = await ledger.volumeAt(location);
  if (record?.kind === "disk") return record;
  throw new VolumeError("not_found", `disk ${location}: the ledger has no such disk`);
}

/** A LUKS2 disk from before layouts were recorded gets its own, once its key has opened it. */
async function withLayout(context: VolumeContext, record: VolumeRecord): Promise<VolumeRecord> {
  if (record.format === "plain" || record.layout !== undefined) return record;
  await proveVolume(context, record.location);
  return (await context.ledger.volume(record.id)) ?? record;
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

function partsOf({ id, attributes, format, keyId, location, layout }: VolumeRecord): DiskParts {
  const { group, name, mapping } = attributes;
  if (group === undefined || name === undefined || mapping === undefined || keyId === undefined) {
    throw new VolumeError("mismatch", `disk ${location}: the ledger does not say how it is mapped`);
  }
  const volume = { group, name };
  return { id, volume, mapping, keyId, format: format === "plain" ? format : "luks2", layout };
}
