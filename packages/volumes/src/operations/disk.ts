import type { ObjectId } from "@chatelaine/keys/interface";
import { chatelaineToken, formatLuks2, LuksError } from "@chatelaine/luks";
import { copyDevice } from "../disk/copy-device.ts";
import { factOf, type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import {
  createLogicalVolume,
  isMarked,
  type LogicalVolume,
  logicalVolumePath,
  removeLogicalVolume,
  snapshotLogicalVolume,
} from "../host/logical-volume.ts";
import { devicePath, unmapDisk } from "../host/mapping.ts";
import { mappingName } from "../host/safe-text.ts";
import { createManagedKey, discardKey, discardKeysNamed, keyName } from "../key/managed-key.ts";
import { keyBitLength, lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeLayout } from "../model/layout.ts";
import { nowOf } from "../model/volume-context.ts";
import { beginningOf, headerBytes, layoutAskedFor } from "./create.ts";
import {
  type DiskFormat,
  type DiskParts,
  diskCipher,
  diskKeyBitLength,
  mapDisk,
  readOnlyMapping,
  showReadOnly,
} from "./disk-mapping.ts";
import { openedLayout } from "./opened-layout.ts";

/** A disk to make. */
export interface DiskInput {
  readonly volume: LogicalVolume;
  /** Of the plaintext. */
  readonly sizeBytes: number;
  /** Of the mapping. */
  readonly mapping: string;
  readonly instance: string;
  /** Default `plain`. */
  readonly format?: DiskFormat;
  readonly thinPool?: string;
  /** The disk whose data it is to hold. */
  readonly from?: DiskParts;
}

export interface DiskFacts {
  readonly keyId: ObjectId;
  /** Of a LUKS2 disk. */
  readonly layout: VolumeLayout;
}

type DiskWork = Work<DiskInput, DiskFacts>;

/** A logical volume, a key and a mapping, or none of them. */
export const createDiskOperation: Operation<DiskInput, DiskFacts> = {
  kind: "create-disk",
  prepare: [
    {
      name: "make the logical volume",
      take: makeLogicalVolume,
      undo: ({ input, operation }) => removeLogicalVolume(input.volume, tagOf(operation.volumeId)),
    },
    {
      name: "make the key",
      take: async ({ context, input, operation: { id, volumeId } }) => {
        const bits = input.format === "luks2" ? keyBitLength : diskKeyBitLength;
        return { keyId: await createManagedKey(context, volumeId, keyName(volumeId, id), bits) };
      },
      undo: ({ context, operation: { id, volumeId } }) =>
        discardKeysNamed(context, volumeId, keyName(volumeId, id)),
    },
    // What is undone goes with the logical volume.
    withoutUndo("format", formatDisk),
    {
      name: "map",
      take: async (work) => {
        await mapDisk(work.context, partsOf(work));
        return undefined;
      },
      undo: async ({ input }) => {
        await unmapDisk(mappingName(input.mapping), logicalVolumePath(input.volume));
      },
    },
    { name: "copy the data", take: copyData, undo: forgetSource },
  ],
  commit: (work) => {
    const { context, operation, input, facts } = work;
    const { instance, mapping, thinPool, from } = input;
    const { group, name } = input.volume;
    const format = formatOf(input);
    const volume = beginningOf(context, operation.volumeId, logicalVolumePath(input.volume), {
      kind: "disk",
      format,
      cipher: diskCipher,
      state: "ready",
      keyId: factOf(work, "keyId"),
      layout: facts.layout,
      parentId: from?.id,
      attributes: {
        instance,
        mapping,
        group,
        name,
        ...(format === "plain" && { keyBitLength: String(diskKeyBitLength) }),
        ...(thinPool !== undefined && { thinPool }),
      },
    });
    return [{ type: "put", volume }];
  },
  finish: [],
};

export interface DestroyDiskInput {
  readonly volume: LogicalVolume;
  readonly mapping: string;
  readonly keyId: ObjectId;
}

/** Mapping, logical volume, key: whatever remains in between is of no use to anybody but us. */
export const destroyDiskOperation: Operation<DestroyDiskInput, object> = {
  kind: "destroy-disk",
  prepare: [
    {
      name: "unmap",
      take: async ({ input }) => {
        const disk = logicalVolumePath(input.volume);
        await unmapDisk(mappingName(readOnlyMapping(input.mapping)), disk);
        await unmapDisk(mappingName(input.mapping), disk);
        return undefined;
      },
      // Still in use, or cut before the commit: `restoreDisks` maps it again.
      undo: async () => {},
    },
  ],
  commit: ({ volume }) =>
    volume === undefined ? [] : [{ type: "put", volume: { ...volume, state: "deleting" } }],
  finish: [
    {
      name: "remove the logical volume",
      take: async ({ input, operation }) => {
        await removeLogicalVolume(input.volume, tagOf(operation.volumeId));
        return undefined;
      },
    },
    {
      name: "delete the key",
      take: async ({ context, operation, input }) => {
        await discardKey(context, operation.volumeId, input.keyId);
        return undefined;
      },
    },
  ],
  end: ({ operation }) => [{ type: "remove", id: operation.volumeId }],
};

function formatOf({ format = "plain" }: DiskInput): DiskFormat {
  return format;
}

function partsOf({ operation, input, facts }: DiskWork): DiskParts {
  const { volume, mapping } = input;
  const { keyId, layout } = facts;
  const id = operation.volumeId;
  return { id, volume, mapping, format: formatOf(input), keyId: keyId as ObjectId, layout };
}

async function makeLogicalVolume({ input, operation }: DiskWork): Promise<undefined> {
  const { volume, thinPool } = input;
  const sizeBytes = input.sizeBytes + (input.format === "luks2" ? headerBytes : 0);
  await createLogicalVolume(volume, { sizeBytes, thinPool }, tagOf(operation.volumeId));
}

async function formatDisk(work: DiskWork): Promise<Partial<DiskFacts>> {
  const { context, input, operation } = work;
  if (input.format !== "luks2") return {};
  if (!(await isMarked(input.volume, tagOf(operation.volumeId)))) {
    throw new VolumeError("mismatch", `create disk ${input.volume.name}: it is not ours any more`);
  }
  const keyId = factOf(work, "keyId");
  return lendPassphrase(await work.key(keyId), async (passphrase) => {
    const write = (allowDestroyingData: readonly string[]) =>
      formatLuks2(logicalVolumePath(input.volume), {
        uuid: operation.volumeId,
        keyslots: [{ passphrase, entropyBits: keyBitLength }],
        tokens: [chatelaineToken({ keyslots: [0], object: keyId, created: nowOf(context) })],
        allowDestroyingData,
      });
    await write([]).catch((error: unknown) => {
      if (!(error instanceof LuksError && error.code === "holds_data")) throw error;
      // Of whoever had the extents before: the logical volume is ours, and new.
      return write(error.holds);
    });
    const asked = layoutAskedFor({ format: "luks2", sectorSize: 512 });
    return { layout: await openedLayout(logicalVolumePath(input.volume), passphrase, asked) };
  });
}

/** From a snapshot, so that the disk may be in use; decrypted with the one key and encrypted with the other. */
async function copyData({ context, input, operation }: DiskWork): Promise<undefined> {
  const { from, mapping, volume } = input;
  if (from === undefined) return;
  const source = sourceOf(input, from);
  await snapshotLogicalVolume(from.volume, source.volume.name, tagOf(operation.volumeId));
  const shown = await showReadOnly(context, source);
  await copyDevice(shown, devicePath(mapping), (doneBytes, totalBytes) =>
    context.onProgress?.({
      volumeId: operation.volumeId,
      operation: "snapshot-disk",
      location: logicalVolumePath(volume),
      doneBytes,
      totalBytes,
    }),
  );
  await removeSource(source, tagOf(operation.volumeId));
}

async function forgetSource({ input, operation }: DiskWork): Promise<void> {
  if (input.from === undefined) return;
  await removeSource(sourceOf(input, input.from), tagOf(operation.volumeId));
}

async function removeSource({ mapping, volume }: DiskParts, tag: string): Promise<void> {
  await unmapDisk(mappingName(mapping), logicalVolumePath(volume));
  await removeLogicalVolume(volume, tag);
}

/** The snapshot from which is copied, while it is. */
function sourceOf({ volume, mapping }: DiskInput, from: DiskParts): DiskParts {
  return {
    ...from,
    volume: { group: from.volume.group, name: `${volume.name}-source` },
    mapping: `${mapping}-source`,
  };
}

function tagOf(volumeId: string): string {
  return `chatelaine-${volumeId}`;
}
