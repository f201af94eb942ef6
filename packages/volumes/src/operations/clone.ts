import type { ObjectId } from "@chatelaine/keys/interface";
import { addKeyslot, addToken, chatelaineToken, readLuks, relabel } from "@chatelaine/luks";
import { killSlots, removeTokensNaming } from "../disk/slots.ts";
import { sparseCopy } from "../disk/sparse-copy.ts";
import { publish, stagingPath, withdraw } from "../disk/staging.ts";
import { tokensOf } from "../disk/tokens.ts";
import { factOf, type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import { keyBitLength, lendPassphrase } from "../key/passphrase.ts";
import { nowOf } from "../model/volume-context.ts";
import { abandonMade, type CreateFacts, commitMade, makeKey, unmakeKey } from "./create.ts";
import { openedLayout } from "./opened-layout.ts";

/** A volume whose ciphertext is to be copied. */
export interface CloneInput {
  /** Of the clone. */
  readonly location: string;
  /** One is made. */
  readonly keyId?: never;
  readonly from: { readonly location: string; readonly keyId: ObjectId };
}

type CloneWork = Work<CloneInput, CreateFacts>;

/**
 * A clone that shares its source's volume key, but neither key, slot nor UUID. It is
 * made beside its place, so that nothing of it is seen before it opens with its own key alone.
 */
export const cloneOperation: Operation<CloneInput, CreateFacts> = {
  kind: "clone",
  prepare: [
    { name: "copy the disk", take: copyDisk, undo: withdrawCopy },
    { name: "make the key", take: makeKey, undo: unmakeKey },
    withoutUndo("give the copy its own key", changeKey),
    { name: "publish", take: publishCopy, undo: withdrawCopy },
  ],
  commit: commitMade,
  finish: [],
  abandon: abandonMade,
};

async function copyDisk(work: CloneWork): Promise<undefined> {
  await sparseCopy(work.input.from.location, copyPath(work));
}

/** Only ever taken once: before the commit, what was cut is taken back. */
async function changeKey(work: CloneWork): Promise<Pick<CreateFacts, "layout">> {
  const { context, operation, input } = work;
  const path = copyPath(work);
  const object = factOf(work, "keyId");
  const before = await readLuks(path);
  const [old, own] = [await work.key(input.from.keyId), await work.key(object)];
  const slot = await lendPassphrase(old, (opener) =>
    lendPassphrase(own, (passphrase) =>
      addKeyslot(path, opener, { passphrase, entropyBits: keyBitLength }),
    ),
  );
  await killSlots(
    path,
    // Slots that are not bound to the data hold other keys, and open no copy of it.
    before.keyslots.filter(({ isBound }) => isBound).map((keyslot) => keyslot.slot),
  );
  for (const token of tokensOf(before)) await removeTokensNaming(path, token.object);
  const created = nowOf(context);
  await addToken(path, chatelaineToken({ keyslots: [slot], object, created }));
  await relabel(path, { uuid: operation.volumeId });
  const source = await context.ledger.volumeAt(input.from.location);
  const layout = await lendPassphrase(own, (passphrase) =>
    openedLayout(path, passphrase, source?.layout),
  );
  return { layout };
}

async function publishCopy(work: CloneWork): Promise<undefined> {
  await publish(copyPath(work), work.input.location);
}

async function withdrawCopy(work: CloneWork): Promise<void> {
  await withdraw(copyPath(work), work.input.location, work.operation.volumeId);
}

function copyPath({ input, operation }: CloneWork): string {
  return stagingPath(input.location, operation.id);
}
