import { existsSync } from "node:fs";
import type { Operation } from "../engine/operation.ts";
import { resizeLogicalVolume } from "../host/logical-volume.ts";
import { devicePath, growMapping } from "../host/mapping.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { withoutSize } from "../model/layout.ts";
import { nowOf } from "../model/volume-context.ts";
import { type DiskParts, unlockDisk } from "./disk-mapping.ts";
import { openedLayout } from "./opened-layout.ts";
import type { ResizeFacts } from "./resize.ts";

/** A disk that is to grow. */
export interface ResizeDiskInput extends DiskParts {
  /** Of the logical volume, in bytes, before and after; whole extents. */
  readonly before: number;
  readonly after: number;
}

/** Until the commit nothing shows the new end, so that it may be cut off again. */
export const resizeDiskOperation: Operation<ResizeDiskInput, ResizeFacts> = {
  kind: "resize-disk",
  prepare: [
    {
      name: "extend the logical volume",
      take: async ({ input, volume: record, key }) => {
        const { volume, before, after, format, keyId } = input;
        await resizeLogicalVolume(volume, before, after);
        if (format === "plain" || record?.layout === undefined) return undefined;
        const expected = withoutSize(record.layout);
        const layout = await lendPassphrase(await key(keyId), (passphrase) =>
          openedLayout(record.location, passphrase, expected),
        );
        return { layout };
      },
      undo: ({ input: { volume, before, after } }) => resizeLogicalVolume(volume, after, before),
    },
  ],
  commit: ({ context, volume, facts }) => {
    if (volume === undefined) return [];
    const { layout = volume.layout } = facts;
    return [{ type: "put", volume: { ...volume, layout, updated: nowOf(context) } }];
  },
  finish: [
    {
      name: "grow the mapping",
      take: async ({ context, input, volume }) => {
        const { mapping: name, format } = input;
        // What is mapped later shows the new end anyway.
        if (!existsSync(devicePath(name))) return undefined;
        const mapping = { name, device: devicePath(name) };
        if (format === "plain") {
          await growMapping(mapping, undefined);
          return undefined;
        }
        const { keyId = input.keyId, layout } = volume ?? {};
        const unlocked = await unlockDisk(context, { ...input, keyId, layout });
        try {
          await growMapping(mapping, unlocked);
        } finally {
          unlocked.volumeKey.destroy();
        }
        return undefined;
      },
    },
  ],
};
