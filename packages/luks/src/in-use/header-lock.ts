import { constants, existsSync } from "node:fs";
import { type FileHandle, mkdir, open, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { LuksError } from "../errors.ts";
import type { Uuid } from "../texts/uuid.ts";
import { type Hold, holdFile } from "./hold-file.ts";
import { deviceNumber, identityOf, isSame } from "./identity.ts";
import { journalBeside, journalRecordName } from "./journal-place.ts";

/** Held while a header is read, changed and written. */
export interface HeaderLock {
  /** The lock of a file ends with its descriptor, and needs no release. */
  release(): Promise<void>;
}

/** How long the other may take: it derives keys, which takes seconds for each slot. */
const patienceMs = 30_000;
const pauseMs = 50;

/**
 * Waits until no other process changes the header of a disk, and keeps the others away until the release or the end of
 * this process. It is the lock that cryptsetup takes of LUKS2: flock(2) on a file itself, and for a block device on
 * `/run/cryptsetup/L_MAJOR:MINOR`.
 *
 * Without root or the program flock(1), nothing is held.
 *
 * @param handle by which the disk is open, for writing
 * @throws `busy` if the other takes longer than half a minute, or at once if the other changes the whole of a file in place,
 *   as the journal beside it says
 */
export async function lockHeader(
  operation: string,
  subject: string,
  handle: FileHandle,
): Promise<HeaderLock> {
  const status = await handle.stat({ bigint: true });
  if (status.isFile()) {
    const record = join(journalBeside(subject), journalRecordName);
    const hold = await waitFor(
      () => holdFile(handle.fd),
      () => existsSync(record),
    );
    if (hold === "taken") throw lockedError(operation, subject);
    return { release: async () => {} };
  }
  if (!status.isBlockDevice()) return { release: async () => {} };
  return lockName(operation, subject, `L_${deviceNumber(status.rdev)}`);
}

/**
 * Waits until no cryptsetup re-encrypts a disk, and keeps the others away until the release. cryptsetup holds this lock from
 * the first to the last header of a re-encryption. To be taken before that of {@link lockHeader}.
 *
 * Without root or the program flock(1), nothing is held.
 *
 * @param uuid the disk's
 * @throws `busy` if the other takes longer than half a minute
 */
export async function lockReencryption(
  operation: string,
  subject: string,
  uuid: Uuid,
): Promise<HeaderLock> {
  return lockName(operation, subject, `LN_LUKS2-reencryption-${uuid}`);
}

/** Somebody else has the lock of flock(2). */
export function lockedError(operation: string, subject: string): LuksError {
  return new LuksError(
    "busy",
    `${operation} ${subject}: it is in use: another program has a lock on it (flock); wait until it ends`,
  );
}

const folder = "/run/cryptsetup";

async function lockName(operation: string, subject: string, name: string): Promise<HeaderLock> {
  const path = `${folder}/${name}`;
  let lock: FileHandle | undefined;
  const hold = await waitFor(async () => {
    await lock?.close();
    lock = await openLock(path);
    if (lock === undefined) return "unavailable";
    const now = await holdFile(lock.fd);
    // The process that held it removes the file at the end: a lock on the removed file excludes no one.
    return now === "held" && !(await isAt(path, lock)) ? "taken" : now;
  });
  const held = lock;
  if (hold !== "held") {
    await held?.close();
    if (hold === "taken") throw lockedError(operation, subject);
    return { release: async () => {} };
  }
  return {
    release: async () => {
      await unlink(path).catch(() => {});
      await held?.close();
    },
  };
}

/** @returns undefined if this process may not make it */
async function openLock(path: string): Promise<FileHandle | undefined> {
  await mkdir(folder, { mode: 0o700 }).catch(() => {});
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  return open(path, flags, 0o600).catch(() => undefined);
}

async function isAt(path: string, lock: FileHandle): Promise<boolean> {
  const mine = identityOf(await lock.stat({ bigint: true }));
  const there = await stat(path, { bigint: true }).then(identityOf, () => undefined);
  return mine !== undefined && isSame(mine, there);
}

async function waitFor(
  attempt: () => Promise<Hold>,
  isHopeless: () => boolean = () => false,
): Promise<Hold> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const hold = await attempt();
    if (hold !== "taken" || performance.now() > end || isHopeless()) return hold;
    await setTimeout(pauseMs);
  }
}
