import { rm, stat } from "node:fs/promises";
import type { ObjectId } from "@chatelaine/keys";
import { backupHeader, restoreHeader, testPassphrase } from "@chatelaine/luks";
import { ioError, publish, stagingPath } from "../disk/staging.ts";
import { lendPassphrase } from "../passphrase.ts";
import { nowOf } from "../volume-context.ts";
import type { Operation, Work } from "./operation.ts";

export interface HeaderInput {
  readonly location: string;
  /** Of the backup. */
  readonly file: string;
  /** What must open the header, and the disk. */
  readonly keyId: ObjectId;
  /** The disk's own header is lost: only the ledger says whose it was. */
  readonly isLost: boolean;
}

type HeaderWork = Work<HeaderInput, object>;

/** The file appears whole, and the ledger says where it is. */
export const backupHeaderOperation: Operation<HeaderInput, object> = {
  kind: "backup-header",
  prepare: [
    { name: "copy the header", take: copyHeader, undo: removeCopy },
    { name: "publish", take: publishCopy, undo: removeCopy },
  ],
  commit: ({ context, input, volume }) =>
    volume === undefined
      ? []
      : [
          {
            type: "put",
            volume: { ...volume, headerBackup: input.file, updated: nowOf(context) },
          },
        ],
  finish: [],
};

/** Restoring can be repeated, so once it is begun it is finished. */
export const restoreHeaderOperation: Operation<HeaderInput, object> = {
  kind: "restore-header",
  prepare: [{ name: "prove the backup", take: proveBackup, undo: async () => {} }],
  commit: () => [],
  finish: [{ name: "restore the header", take: restore }],
};

async function copyHeader(work: HeaderWork): Promise<undefined> {
  const { input, operation } = work;
  const copy = stagingPath(input.file, operation.id);
  await backupHeader(input.location, copy);
  await proveOpens(work, copy);
}

async function publishCopy({ input, operation }: HeaderWork): Promise<undefined> {
  await publish(stagingPath(input.file, operation.id), input.file);
}

async function removeCopy({ input, operation }: HeaderWork): Promise<void> {
  const copy = stagingPath(input.file, operation.id);
  try {
    const own = await inodeOf(copy);
    if (own !== undefined && own === (await inodeOf(input.file))) await rm(input.file);
    await rm(copy, { force: true });
  } catch (cause) {
    throw ioError("remove", copy, cause);
  }
}

/** Before the disk is touched: a header that the ledger's key does not open would lose the disk. */
function proveBackup(work: HeaderWork): Promise<undefined> {
  return proveOpens(work, work.input.file);
}

async function restore(work: HeaderWork): Promise<undefined> {
  const { input, operation } = work;
  const vouched = input.isLost ? { unprovenUuid: operation.volumeId } : {};
  await restoreHeader(input.location, input.file, vouched);
  await proveOpens(work, input.location);
}

async function proveOpens({ context, input }: HeaderWork, path: string): Promise<undefined> {
  const { keyManager, caller } = context;
  await lendPassphrase(await keyManager.get(caller, input.keyId), (passphrase) =>
    testPassphrase(path, passphrase),
  );
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.ino;
}
