import { constants } from "node:fs";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readLuks } from "@chatelaine/luks";
import { VolumeError } from "../model/errors.ts";
import { placeFile, removePlaceholder } from "./place-file.ts";

/**
 * Where an operation prepares a file: beside its place, under the operation's own
 * name. What lies there is the operation's, whatever happened, and a half-made
 * disk is never seen at the place itself.
 */
export function stagingPath(location: string, operationId: string): string {
  return join(dirname(location), `.chatelaine-${operationId}`);
}

/** Makes an empty file that only its owner may read. Replaces what an earlier try left. */
export async function makeSparseFile(staging: string, bytes: number): Promise<void> {
  await rm(staging, { force: true });
  try {
    const file = await open(staging, "wx", 0o600);
    try {
      await file.truncate(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncFolder(dirname(staging));
  } catch (cause) {
    throw ioError("create file", staging, cause);
  }
}

/** Lends a prepared file, which nobody else knows: who works on it by its handle need not look for other users. */
export async function withStagedFile<T>(
  staging: string,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(staging, constants.O_RDWR | constants.O_NOFOLLOW).catch((cause) => {
    throw ioError("open", staging, cause);
  });
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/**
 * Gives a prepared file its place, where nothing may be yet.
 *
 * @throws `exists`
 */
export async function publish(staging: string, location: string): Promise<void> {
  try {
    await placeFile(staging, location).catch(async (cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EEXIST") throw cause;
      if (await isSameFile(staging, location)) return;
      throw new VolumeError("exists", `create ${location}: it already exists`, { cause });
    });
    await syncFolder(dirname(location));
    await rm(staging, { force: true });
    await syncFolder(dirname(location));
  } catch (cause) {
    throw ioError("create", location, cause);
  }
}

/** Takes a file back, prepared or published; a file that is not this volume's stays. */
export async function withdraw(staging: string, location: string, volumeId: string): Promise<void> {
  try {
    if (await carriesVolume(location, volumeId)) await rm(location, { force: true });
    else await removePlaceholder(staging, location);
    await rm(staging, { force: true });
    await syncFolder(dirname(location));
  } catch (cause) {
    // Without the folder there is no file either.
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    throw ioError("remove", location, cause);
  }
}

/** True if a LUKS header with this UUID is there. */
export async function carriesVolume(path: string, volumeId: string): Promise<boolean> {
  const header = await readLuks(path).catch(() => undefined);
  return header?.uuid === volumeId;
}

/** Makes a change of names in a folder survive a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(one), stat(other)]);
  return a.dev === b.dev && a.ino === b.ino;
}

export function ioError(operation: string, path: string, cause: unknown): VolumeError {
  if (cause instanceof VolumeError) return cause;
  return new VolumeError("io", `${operation} ${path}: ${(cause as Error).message}`, { cause });
}
