import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { ObjectId } from "@chatelaine/keys/interface";
import { type Occupant, occupantOf } from "../disk/location.ts";
import { carriesVolume, ioError, stagingPath, syncFolder } from "../disk/staging.ts";
import { wipeHeader } from "../disk/wipe.ts";
import type { Operation, Work } from "../engine/operation.ts";
import { deleteKey, discardableKey, discardKey } from "../key/managed-key.ts";

export interface DeleteInput {
  readonly location: string;
  readonly occupant: Exclude<Occupant, "nothing">;
  readonly headerAreaBytes: number;
  /** The ledger's key of the volume, if it goes with it. What only the disk names is never in here. */
  readonly keyIds: readonly ObjectId[];
  /** A key that the caller wants deleted, whatever its name is. */
  readonly deleteKeyId?: ObjectId;
}

export interface DeleteFacts {
  /** False if the key stays, because others need it or may need it, or it was brought by the user. */
  readonly keyDeleted: boolean;
}

type DeleteWork = Work<DeleteInput, DeleteFacts>;

/** First the disk, then the key: a key never goes before what it opens. */
export const deleteOperation: Operation<DeleteInput, DeleteFacts> = {
  kind: "delete",
  prepare: [],
  commit: ({ volume }) =>
    volume === undefined ? [] : [{ type: "put", volume: { ...volume, state: "deleting" } }],
  finish: [
    { name: "remove the disk", take: removeDisk },
    { name: "delete the key", take: deleteKeys },
  ],
  end: ({ operation }) => [{ type: "remove", id: operation.volumeId }],
};

async function removeDisk({ input, operation }: DeleteWork): Promise<undefined> {
  const { location, occupant, headerAreaBytes } = input;
  const { volumeId } = operation;
  if (occupant === "device") {
    await wipeHeader(location, volumeId, headerAreaBytes, occupant);
    return;
  }
  // Moved aside first, so that whatever somebody puts there afterwards is not touched.
  const aside = stagingPath(location, operation.id);
  try {
    if (await carriesVolume(location, volumeId)) await rename(location, aside);
    if ((await occupantOf(aside)) === "nothing") return;
    await syncFolder(dirname(aside));
    await wipeHeader(aside, volumeId, headerAreaBytes, occupant);
    await rm(aside);
    await syncFolder(dirname(aside));
  } catch (cause) {
    throw ioError("delete", location, cause);
  }
}

/**
 * Deletes the key that the ledger has for the volume, and the one that the caller named. An
 * operation that an earlier version began may have written down ids that only the disk named.
 */
export async function deleteKeys({
  context,
  operation,
  input,
  volume,
}: Work<Pick<DeleteInput, "keyIds" | "deleteKeyId">, DeleteFacts>): Promise<DeleteFacts> {
  const { volumeId } = operation;
  const own = discardableKey(volume);
  const keyDeleted =
    own !== undefined && input.keyIds.includes(own) && (await discardKey(context, volumeId, own));
  if (input.deleteKeyId === undefined) return { keyDeleted };
  return { keyDeleted: await deleteKey(context, volumeId, input.deleteKeyId) };
}
