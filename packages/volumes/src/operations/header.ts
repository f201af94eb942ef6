import { rm, stat } from "node:fs/promises";
import type { ObjectId } from "@chatelaine/keys/interface";
import { backupHeader, restoreHeader } from "@chatelaine/luks";
import { removePlaceholder } from "../disk/place-file.ts";
import { ioError, publish, stagingPath } from "../disk/staging.ts";
import { type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import { blockDevice } from "../host/block-device.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import type { VolumeLayout } from "../model/layout.ts";
import { nowOf } from "../model/volume-context.ts";
import { openedLayout } from "./opened-layout.ts";

export interface HeaderInput {
  readonly location: string;
  /** Of the backup. */
  readonly file: string;
  /** What must open the header, and the disk. */
  readonly keyId: ObjectId;
  /** The disk's own header is lost: only the ledger says whose it was. */
  readonly isLost: boolean;
}

export interface HeaderFacts {
  readonly layout: VolumeLayout;
}

type HeaderWork = Work<HeaderInput, HeaderFacts>;

/** The file appears whole, and the ledger says where it is. */
export const backupHeaderOperation: Operation<HeaderInput, HeaderFacts> = {
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
export const restoreHeaderOperation: Operation<HeaderInput, HeaderFacts> = {
  kind: "restore-header",
  prepare: [withoutUndo("prove the backup", proveBackup)],
  commit: () => [],
  finish: [{ name: "restore the header", take: restore }],
  end: ({ volume, facts }) =>
    volume === undefined || volume.layout !== undefined
      ? []
      : [{ type: "put", volume: { ...volume, layout: facts.layout } }],
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
    else await removePlaceholder(copy, input.file);
    await rm(copy, { force: true });
  } catch (cause) {
    throw ioError("remove", copy, cause);
  }
}

/** Before the disk is touched: a header that the ledger's key does not open would lose the disk. */
function proveBackup(work: HeaderWork): Promise<HeaderFacts> {
  return proveOpens(work, work.input.file);
}

async function restore(work: HeaderWork): Promise<HeaderFacts> {
  const { input, operation } = work;
  const vouched = input.isLost ? { unprovenUuid: operation.volumeId } : {};
  await restoreHeader(input.location, input.file, vouched);
  return proveOpens(work, input.location);
}

/** @throws `integrity` if the header is not the one that the ledger has for the volume */
async function proveOpens({ input, volume, key }: HeaderWork, path: string): Promise<HeaderFacts> {
  const deviceBytes = await bytesOf(input.location);
  const layout = await lendPassphrase(await key(input.keyId), (passphrase) =>
    openedLayout(path, passphrase, volume?.layout, { deviceBytes }),
  );
  return { layout };
}

/** Of a file or a block device. */
export async function bytesOf(path: string): Promise<number> {
  return (await blockDevice(path))?.bytes ?? (await stat(path)).size;
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.ino;
}
