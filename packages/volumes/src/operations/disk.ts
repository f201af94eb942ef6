import type { ObjectId } from "@chatelaine/keys";
import {
  createLogicalVolume,
  type LogicalVolume,
  logicalVolumePath,
  removeLogicalVolume,
} from "../host/logical-volume.ts";
import { map, unmap } from "../host/mapping.ts";
import type { VolumeContext } from "../volume-context.ts";
import { createVolumeKey, discardKey, discardKeysNamed, keyName } from "../volume-key.ts";
import { beginningOf } from "./create.ts";
import type { Operation, Work } from "./operation.ts";

/** Of an ephemeral disk's key, in bits: two AES-256 keys for XTS, every bit of them random. */
export const diskKeyBitLength = 512;
export const diskCipher = "aes-xts-plain64";

export interface DiskInput {
  readonly volume: LogicalVolume;
  readonly sizeBytes: number;
  /** Of the mapping. */
  readonly mapping: string;
  readonly instance: string;
}

export interface DiskFacts {
  readonly keyId: ObjectId;
}

type DiskWork = Work<DiskInput, DiskFacts>;

/** A logical volume, a key and a mapping, or none of them. */
export const createDiskOperation: Operation<DiskInput, DiskFacts> = {
  kind: "create-disk",
  prepare: [
    {
      name: "make the logical volume",
      take: async ({ input, operation }) => {
        await createLogicalVolume(input.volume, input.sizeBytes, tagOf(operation.volumeId));
        return undefined;
      },
      undo: ({ input, operation }) => removeLogicalVolume(input.volume, tagOf(operation.volumeId)),
    },
    {
      name: "make the key",
      take: async ({ context, operation: { id, volumeId } }) => ({
        keyId: await createVolumeKey(context, volumeId, keyName(volumeId, id), diskKeyBitLength),
      }),
      undo: ({ context, operation: { id, volumeId } }) =>
        discardKeysNamed(context, volumeId, keyName(volumeId, id)),
    },
    { name: "map", take: mapNew, undo: ({ input }) => unmap(input.mapping) },
  ],
  commit: ({ context, operation, input, facts }) => {
    const { group, name } = input.volume;
    const { instance, mapping } = input;
    const volume = beginningOf(context, operation.volumeId, logicalVolumePath(input.volume), {
      kind: "disk",
      format: "plain",
      cipher: diskCipher,
      state: "ready",
      keyId: facts.keyId as ObjectId,
      attributes: { instance, mapping, group, name, keyBitLength: String(diskKeyBitLength) },
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
        await unmap(input.mapping);
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

async function mapNew({ context, input, facts }: DiskWork): Promise<undefined> {
  await mapDisk(context, input.mapping, input.volume, facts.keyId as ObjectId);
}

/** @returns the path of the mapped device */
export async function mapDisk(
  { keyManager, caller }: VolumeContext,
  mapping: string,
  volume: LogicalVolume,
  keyId: ObjectId,
): Promise<string> {
  const plain = { cipher: diskCipher, keyBitLength: diskKeyBitLength };
  const { value } = await keyManager.get(caller, keyId);
  return value.use((bytes) => map(mapping, logicalVolumePath(volume), bytes, plain));
}

function tagOf(volumeId: string): string {
  return `chatelaine-${volumeId}`;
}
