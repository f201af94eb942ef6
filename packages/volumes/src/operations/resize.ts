import { open, stat } from "node:fs/promises";
import type { ObjectId } from "@chatelaine/keys/interface";
import { checkHeader, unlock } from "@chatelaine/luks";
import { ioError } from "../disk/staging.ts";
import type { Operation, Work } from "../engine/operation.ts";
import { luksMappingOf } from "../host/disk-use.ts";
import { growMapping } from "../host/mapping.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { type VolumeLayout, withoutSize } from "../model/layout.ts";
import { nowOf } from "../model/volume-context.ts";
import { recordedProblem } from "../record/trusted-volume.ts";
import { openedLayout } from "./opened-layout.ts";

/** A volume whose disk is to grow, or has grown. */
export interface ResizeInput {
  readonly location: string;
  readonly keyId: ObjectId;
  /** Of a file, its sizes in bytes before and after, header included. */
  readonly file?: { readonly before: number; readonly after: number };
}

export interface ResizeFacts {
  /** In the new size. */
  readonly layout: VolumeLayout;
}

type ResizeWork = Work<ResizeInput, ResizeFacts>;

/** Nothing can be written to the new end before the commit, so that it may be cut off again. */
export const resizeOperation: Operation<ResizeInput, ResizeFacts> = {
  kind: "resize",
  prepare: [{ name: "grow the file", take: growFile, undo: ungrowFile }],
  commit: ({ context, volume, facts }) => {
    if (volume === undefined) return [];
    const { layout = volume.layout } = facts;
    return [{ type: "put", volume: { ...volume, layout, updated: nowOf(context) } }];
  },
  finish: [{ name: "grow the mapping", take: growOpen }],
};

async function growFile({ input, volume, key }: ResizeWork): Promise<ResizeFacts> {
  const { location, file } = input;
  if (file !== undefined) await truncate(input, file.before, file.after);
  const layout = await lendPassphrase(await key(input.keyId), (passphrase) =>
    openedLayout(location, passphrase, volume?.layout && withoutSize(volume.layout)),
  );
  return { layout };
}

async function ungrowFile({ input }: ResizeWork): Promise<void> {
  if (input.file !== undefined) await truncate(input, input.file.after, input.file.before);
}

/** Of a file that has another size nothing is changed. Durable when it resolves. */
async function truncate({ location }: ResizeInput, from: number, to: number): Promise<void> {
  try {
    // What was made read-only meanwhile has nothing to take back if it did not change.
    if ((await stat(location)).size !== from) return;
    const file = await open(location, "r+");
    try {
      if ((await file.stat()).size !== from) return;
      await file.truncate(to);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw ioError("resize", location, cause);
  }
}

async function growOpen({ input, volume, key }: ResizeWork): Promise<undefined> {
  const { location } = input;
  const mapping = await luksMappingOf(location);
  if (mapping === undefined) return;
  const header = await checkHeader(location);
  const problem = volume && recordedProblem(location, volume, header);
  if (problem !== undefined) throw problem;
  const unlocked = await lendPassphrase(await key(input.keyId), (passphrase) =>
    unlock(location, passphrase, { header }),
  );
  try {
    await growMapping(mapping, unlocked);
  } finally {
    unlocked.volumeKey.destroy();
  }
}
