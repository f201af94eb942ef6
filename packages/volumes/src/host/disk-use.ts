import { stat } from "node:fs/promises";
import { type DiskUser, describeDiskUse, diskMappings, diskUse } from "@chatelaine/luks";
import { VolumeError } from "../model/errors.ts";

/** The kernel's dm-crypt, showing a disk's plaintext. */
export interface DiskMapping {
  /** `/dev/mapper/NAME` without the folder. */
  readonly name: string;
  /** The block device that it lies on: the disk, or the loop device of a file. */
  readonly device: string;
}

/**
 * Who uses a disk besides us: a LUKS mapping, whose name and device are returned, or nobody.
 *
 * @throws `busy` if anything else does (see `diskUse` of `@chatelaine/luks`)
 */
export async function mappingOf(operation: string, path: string): Promise<DiskMapping | undefined> {
  const { users } = await diskUse(path);
  const mapping = users.find(isLuksMapping);
  // The loop device that the mapping lies on is how the kernel knows a file.
  const others = users.filter(
    (user) => user !== mapping && !(user.type === "loop" && user.device === mapping?.on),
  );
  if (others.length > 0) throw busy(operation, path, others);
  return mapping && { name: mapping.name, device: mapping.on };
}

/** Refuses a disk whose plaintext, or which itself, is in use. @throws `busy` */
export async function requireUnused(operation: string, path: string): Promise<void> {
  const { users } = await diskUse(path);
  if (users.length > 0) throw busy(operation, path, users);
}

/** The first LUKS mapping of a disk, whoever else uses it. */
export async function luksMappingOf(path: string): Promise<DiskMapping | undefined> {
  const mapping = (await diskMappings(path)).find(({ uuid }) => uuid.startsWith("CRYPT-LUKS"));
  return mapping && { name: mapping.name, device: mapping.on };
}

/** The block device by which the kernel knows a disk: itself, or the loop device of a file, if it has one. */
export async function blockDeviceOf(path: string): Promise<string | undefined> {
  if (!(await stat(path)).isFile()) return path;
  const { users } = await diskUse(path, { processes: false });
  for (const user of users) if (user.type === "loop" && user.isCertain) return user.device;
  return undefined;
}

type Mapping = Extract<DiskUser, { readonly type: "mapping" }>;

function isLuksMapping(user: DiskUser): user is Mapping {
  return user.type === "mapping" && user.uuid.startsWith("CRYPT-LUKS");
}

function busy(operation: string, path: string, users: readonly DiskUser[]): VolumeError {
  return new VolumeError("busy", `${operation} ${path}: ${describeDiskUse(users)}`);
}
