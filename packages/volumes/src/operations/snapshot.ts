import type { ObjectId } from "@chatelaine/keys/interface";
import { factOf, type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import {
  discardKey,
  discardKeysNamed,
  grantRead,
  keyName,
  registerConsumer,
} from "../key/managed-key.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { type VolumeLayout, withoutSize } from "../model/layout.ts";
import { beginningOf } from "./create.ts";
import { openedLayout } from "./opened-layout.ts";

export interface SnapshotInput {
  readonly location: string;
  readonly parentId: string;
  readonly parentKeyId: ObjectId;
  readonly format: "luks1" | "luks2";
  readonly cipher: string;
  /** Its volume's, which the snapshot must have, but for the size: the volume may have grown since. Absent from operations that an earlier version began. */
  readonly layout?: VolumeLayout;
}

export interface SnapshotFacts {
  readonly keyId: ObjectId;
  readonly layout: VolumeLayout;
}

type SnapshotWork = Work<SnapshotInput, SnapshotFacts>;

/** A second object with the volume's key, which lives as long as the snapshot. */
export const snapshotOperation: Operation<SnapshotInput, SnapshotFacts> = {
  kind: "snapshot",
  prepare: [
    {
      name: "copy the key",
      take: copyKey,
      undo: ({ context, operation: { id, volumeId } }) =>
        discardKeysNamed(context, volumeId, keyName(volumeId, id)),
    },
    withoutUndo("prove the copy", prove),
  ],
  commit: ({ context, operation, input, facts }) => {
    const { location, parentId, format, cipher } = input;
    const more = { kind: "snapshot", state: "ready", parentId, format, cipher } as const;
    const volume = beginningOf(context, operation.volumeId, location, more);
    const { keyId, layout } = facts;
    return [{ type: "put", volume: { ...volume, keyId, layout } }];
  },
  finish: [],
};

export interface ForgetSnapshotInput {
  readonly keyId: ObjectId;
}

export const forgetSnapshotOperation: Operation<ForgetSnapshotInput, object> = {
  kind: "forget-snapshot",
  prepare: [],
  commit: ({ volume }) =>
    volume === undefined ? [] : [{ type: "put", volume: { ...volume, state: "deleting" } }],
  finish: [
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

async function copyKey({
  context,
  operation,
  input,
  key,
}: SnapshotWork): Promise<Pick<SnapshotFacts, "keyId">> {
  const { keyManager, caller } = context;
  const { id, volumeId } = operation;
  const name = keyName(volumeId, id);
  const { type, value, algorithm, bitLength, mode } = await key(input.parentKeyId);
  const keyId = await keyManager.store(caller, { type, value, algorithm, bitLength, mode, name });
  await grantRead(context, keyId);
  await registerConsumer(context, volumeId, keyId);
  return { keyId };
}

async function prove(work: SnapshotWork): Promise<Pick<SnapshotFacts, "layout">> {
  const { input } = work;
  const layout = await lendPassphrase(await work.key(factOf(work, "keyId")), (passphrase) =>
    openedLayout(input.location, passphrase, input.layout && withoutSize(input.layout)),
  );
  return { layout };
}
