import { open } from "node:fs/promises";
import type { ObjectId } from "@chatelaine/keys";
import { ioError } from "../disk/staging.ts";
import { luksMappingOf } from "../host/disk-use.ts";
import { growMapping } from "../host/mapping.ts";
import { lendPassphrase } from "../passphrase.ts";
import { nowOf } from "../volume-context.ts";
import { keyOf } from "./change-key.ts";
import type { Operation, Work } from "./operation.ts";

/** A volume whose disk is to grow, or has grown. */
export interface ResizeInput {
  readonly location: string;
  readonly keyId: ObjectId;
  /** Of a file, its sizes in bytes before and after, header included. */
  readonly file?: { readonly before: number; readonly after: number };
}

type ResizeWork = Work<ResizeInput, object>;

/** Nothing can be written to the new end before the commit, so that it may be cut off again. */
export const resizeOperation: Operation<ResizeInput, object> = {
  kind: "resize",
  prepare: [{ name: "grow the file", take: growFile, undo: ungrowFile }],
  commit: ({ context, volume }) =>
    volume === undefined ? [] : [{ type: "put", volume: { ...volume, updated: nowOf(context) } }],
  finish: [{ name: "grow the mapping", take: growOpen }],
};

async function growFile({ input }: ResizeWork): Promise<undefined> {
  if (input.file !== undefined) await truncate(input, input.file.before, input.file.after);
}

async function ungrowFile({ input }: ResizeWork): Promise<void> {
  if (input.file !== undefined) await truncate(input, input.file.after, input.file.before);
}

/** Of a file that has another size nothing is changed. Durable when it resolves. */
async function truncate({ location }: ResizeInput, from: number, to: number): Promise<void> {
  try {
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

async function growOpen({ context, input }: ResizeWork): Promise<undefined> {
  const mapping = await luksMappingOf(input.location);
  if (mapping === undefined) return;
  await lendPassphrase(await keyOf(context, input.keyId), (passphrase) =>
    growMapping(mapping, passphrase),
  );
}
