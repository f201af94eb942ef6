import type { ObjectId } from "@chatelaine/keys";
import { testPassphrase } from "@chatelaine/luks";
import { lendPassphrase } from "../passphrase.ts";
import {
  discardKey,
  discardKeysNamed,
  grantRead,
  keyName,
  registerConsumer,
} from "../volume-key.ts";
import { beginningOf } from "./create.ts";
import type { Operation, Work } from "./operation.ts";

export interface SnapshotInput {
  readonly location: string;
  readonly parentId: string;
  readonly parentKeyId: ObjectId;
  readonly format: "luks1" | "luks2";
  readonly cipher: string;
}

export interface SnapshotFacts {
  readonly keyId: ObjectId;
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
    { name: "prove the copy", take: prove, undo: async () => {} },
  ],
  commit: ({ context, operation, input, facts }) => {
    const { location, parentId, format, cipher } = input;
    const more = { kind: "snapshot", state: "ready", parentId, format, cipher } as const;
    const volume = beginningOf(context, operation.volumeId, location, more);
    return [{ type: "put", volume: { ...volume, keyId: facts.keyId } }];
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

async function copyKey({ context, operation, input }: SnapshotWork): Promise<SnapshotFacts> {
  const { keyManager, caller } = context;
  const { id, volumeId } = operation;
  const name = keyName(volumeId, id);
  const { type, value, algorithm, bitLength, mode } = await keyManager.get(
    caller,
    input.parentKeyId,
  );
  const keyId = await keyManager.store(caller, { type, value, algorithm, bitLength, mode, name });
  await grantRead(context, keyId);
  await registerConsumer(context, volumeId, keyId);
  return { keyId };
}

async function prove({ context, input, facts }: SnapshotWork): Promise<undefined> {
  const key = await context.keyManager.get(context.caller, facts.keyId as ObjectId);
  await lendPassphrase(key, (passphrase) => testPassphrase(input.location, passphrase));
}
