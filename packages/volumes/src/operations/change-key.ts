import { KeyManagerError, type ObjectId } from "@chatelaine/keys/interface";
import { addKeyslot, addToken, chatelaineToken, LuksError, readLuks } from "@chatelaine/luks";
import { lendOpener } from "../disk/opener.ts";
import { killSlots, removeTokensNaming, slotsOpenedBy } from "../disk/slots.ts";
import { tokensOf } from "../disk/tokens.ts";
import { factOf, type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import {
  createManagedKey,
  discardKey,
  discardKeysNamed,
  keyName,
  keysNamed,
  registerConsumer,
  sharedKey,
  unregisterConsumer,
  withOwnKey,
} from "../key/managed-key.ts";
import { keyBitLength, lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeLayout } from "../model/layout.ts";
import type { VolumeRecord } from "../model/ledger.ts";
import { contextOf, nowOf, type VolumeContext } from "../model/volume-context.ts";
import { beginningOf } from "./create.ts";
import { openedLayout } from "./opened-layout.ts";

export interface ChangeKeyInput {
  readonly location: string;
  readonly format: "luks1" | "luks2";
  readonly cipher: string;
  /** What opens the disk until now; without it the operation was begun with a passphrase. */
  readonly oldKeyId?: ObjectId;
  /** The label of the project that the new key belongs to. */
  readonly toProject: string;
  /** A key that the user brought; else one is made. */
  readonly newKeyId?: ObjectId;
  /** The slots that the old key or passphrase opens are erased afterwards. */
  readonly retire: boolean;
  /**
   * The ledger had the old key for this volume, so that it may be deleted. A key that only a
   * disk names, or that the user names, may be needed by a disk that is not in this ledger.
   */
  readonly oldKeyIsRecorded?: boolean;
  /** `newKeyId` was registered for this volume before: see `sharedKey`. */
  readonly newKeyIsShared?: boolean;
}

export interface ChangeKeyFacts {
  readonly keyId: ObjectId;
  readonly slot: number;
  readonly oldSlots: readonly number[];
  /** As the new key opens it. */
  readonly layout: VolumeLayout;
  /** False if the old key stays, because others need it or it was not made for this volume. */
  readonly oldKeyDeleted: boolean;
}

type ChangeKeyWork = Work<ChangeKeyInput, ChangeKeyFacts>;

/**
 * Gives a disk another key: rekey, transfer, adoption, leaving the fixed key.
 *
 * The new slot comes first and is proven; then the ledger takes the new key for
 * the volume's; only then do the old slot and, last, the old key go. So the disk
 * opens with the key that the ledger names at every instant.
 */
export const changeKeyOperation: Operation<ChangeKeyInput, ChangeKeyFacts> = {
  kind: "change-key",
  prepare: [
    { name: "make the new key", take: makeKey, undo: unmakeKey },
    { name: "add a key slot", take: addSlot, undo: removeSlot },
    withoutUndo("prove the new key", (work) => proveKey(work)),
    { name: "write the new key id to the disk", take: nameKey, undo: unnameKey },
  ],
  commit: ({ context, operation, input, facts, volume }) => {
    const before = volume ?? adopted(context, operation.volumeId, input);
    return [
      {
        type: "put",
        volume: {
          ...before,
          keyId: facts.keyId,
          layout: before.layout ?? facts.layout,
          attributes: {
            ...withOwnKey(before.attributes),
            ...(input.newKeyIsShared === true && sharedKey),
          },
          project: input.toProject,
          state: "ready",
          updated: nowOf(context),
        },
      },
    ];
  },
  finish: [
    { name: "retire the old key slots", take: retireSlots },
    { name: "remove the old key id from the disk", take: retireName },
    { name: "delete the old key", take: retireKey },
  ],
};

function adopted(context: VolumeContext, id: string, input: ChangeKeyInput): VolumeRecord {
  const { location, format, cipher } = input;
  return beginningOf(context, id, location, { format, cipher });
}

async function makeKey(work: ChangeKeyWork): Promise<Partial<ChangeKeyFacts>> {
  const { operation, input } = work;
  const { id, volumeId } = operation;
  const recipient = recipientOf(work);
  if (input.newKeyId === undefined) {
    return { keyId: await createManagedKey(recipient, volumeId, keyName(volumeId, id)) };
  }
  const newKey = await work.key(input.newKeyId, { source: recipient });
  await lendPassphrase(newKey, async (passphrase) => {
    if ((await slotsOpenedBy(input.location, passphrase)).length === 0) return;
    throw new VolumeError(
      "invalid_argument",
      `rekey ${input.location}: key ${input.newKeyId} already opens it, so nothing would change`,
    );
  });
  await registerConsumer(recipient, volumeId, input.newKeyId);
  return { keyId: input.newKeyId };
}

async function unmakeKey(work: ChangeKeyWork): Promise<void> {
  const { operation, input } = work;
  const { id, volumeId } = operation;
  const recipient = recipientOf(work);
  if (input.newKeyId === undefined) {
    await discardKeysNamed(recipient, volumeId, keyName(volumeId, id));
  } else if (input.newKeyId !== input.oldKeyId && input.newKeyIsShared !== true) {
    await unregisterConsumer(recipient, volumeId, input.newKeyId);
  }
}

async function addSlot(work: ChangeKeyWork): Promise<Partial<ChangeKeyFacts>> {
  const { input } = work;
  const { location } = input;
  return lendOld(work, (old, oldSlots) =>
    lendNew(work, async (passphrase) => {
      const slot = await addKeyslot(location, old, { passphrase, entropyBits: keyBitLength });
      return { slot, oldSlots };
    }),
  );
}

/** No slot opened with this key before: `makeKey` saw to that. */
async function removeSlot(work: ChangeKeyWork): Promise<void> {
  const { operation, input, facts } = work;
  const recipient = recipientOf(work);
  const named = await keysNamed(recipient, keyName(operation.volumeId, operation.id));
  const keyId = facts.keyId ?? named[0]?.id;
  if (keyId === undefined) return;
  const key = await work.key(keyId, { source: recipient }).catch((error: unknown) => {
    // An earlier undo already deleted the key; it does so after removing the slot.
    if (error instanceof VolumeError && error.code === "missing_key") return undefined;
    throw error;
  });
  if (key === undefined) return;
  await lendPassphrase(key, async (passphrase) =>
    killSlots(input.location, await slotsOpenedBy(input.location, passphrase)),
  );
}

/** @param again asks the key manager again for the key, before the old slots go */
async function proveKey(
  work: ChangeKeyWork,
  again = false,
): Promise<Pick<ChangeKeyFacts, "layout">> {
  const { input, volume } = work;
  const prove = async (passphrase: Uint8Array) => {
    const { location } = input;
    const slot = factOf(work, "slot");
    const layout = await openedLayout(location, passphrase, volume?.layout, { slot }).catch(
      (cause: unknown) => {
        if (!(cause instanceof LuksError) || !notOpened.includes(cause.code)) throw cause;
        const message = `rekey ${location}: the new key does not open it`;
        throw new VolumeError("wrong_key", message, { cause });
      },
    );
    return { layout };
  };
  return lendNew(work, prove, again);
}

const notOpened: readonly string[] = ["wrong_passphrase", "no_such_slot"];

async function nameKey(work: ChangeKeyWork): Promise<undefined> {
  const { context, input } = work;
  if (input.format === "luks1") return;
  const object = factOf(work, "keyId");
  const keyslots = [factOf(work, "slot")];
  await addToken(input.location, chatelaineToken({ keyslots, object, created: nowOf(context) }));
}

async function unnameKey({ input, facts }: ChangeKeyWork): Promise<void> {
  if (facts.keyId !== undefined) await removeTokensNaming(input.location, facts.keyId);
}

async function retireSlots(work: ChangeKeyWork): Promise<undefined> {
  const { input, facts } = work;
  if (!input.retire) return;
  const { slot, oldSlots = [] } = facts;
  await proveKey(work, true);
  await killSlots(
    input.location,
    oldSlots.filter((old) => old !== slot),
  );
}

async function retireName({ input, facts }: ChangeKeyWork): Promise<undefined> {
  if (!input.retire || input.format === "luks1") return;
  if (input.oldKeyId !== undefined) await removeTokensNaming(input.location, input.oldKeyId);
  // What names no slot any more leads nowhere: a name of an earlier key.
  for (const token of tokensOf(await readLuks(input.location))) {
    if (token.keyslots.length === 0 && token.object !== facts.keyId) {
      await removeTokensNaming(input.location, token.object);
    }
  }
}

async function retireKey(work: ChangeKeyWork): Promise<Partial<ChangeKeyFacts>> {
  const { context, operation, input } = work;
  if (!input.retire || input.oldKeyId === undefined || !oldKeyIsRecorded(work)) {
    return { oldKeyDeleted: false };
  }
  return { oldKeyDeleted: await discardKey(context, operation.volumeId, input.oldKeyId) };
}

/** An earlier version did not write it down. The row of a disk that it took over is younger than the operation. */
function oldKeyIsRecorded({ input, operation, volume }: ChangeKeyWork): boolean {
  const { created } = operation;
  return input.oldKeyIsRecorded ?? (volume !== undefined && volume.created < created);
}

/** @throws `forbidden` if there are no credentials for the new key's project */
function recipientOf({ context, input }: ChangeKeyWork): VolumeContext {
  const recipient = contextOf(context, input.toProject);
  if (recipient !== undefined) return recipient;
  throw new KeyManagerError(
    "forbidden",
    `rekey ${input.location}: there are no credentials for project ${input.toProject}`,
  );
}

/** Lends what opens the disk until now, and says which slots it opens. */
async function lendOld<T>(
  work: ChangeKeyWork,
  use: (passphrase: Uint8Array, slots: readonly number[]) => Promise<T>,
): Promise<T> {
  const { input, passphrase } = work;
  const { location, oldKeyId } = input;
  if (oldKeyId !== undefined) return lendOpener(location, await work.key(oldKeyId), use);
  if (passphrase !== undefined) return use(passphrase, await slotsOpenedBy(location, passphrase));
  throw new VolumeError(
    "invalid_argument",
    `adopt ${input.location}: it needs a key or a passphrase`,
  );
}

async function lendNew<T>(
  work: ChangeKeyWork,
  use: (passphrase: Uint8Array) => Promise<T>,
  again = false,
): Promise<T> {
  const source = recipientOf(work);
  return lendPassphrase(await work.key(factOf(work, "keyId"), { source, again }), use);
}
