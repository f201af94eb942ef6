import type { ObjectId } from "@chatelaine/keys/interface";
import { addToken, chatelaineToken, readLuks } from "@chatelaine/luks";
import { removeTokensNaming, slotsOpenedBy } from "../disk/slots.ts";
import { tokensOf } from "../disk/tokens.ts";
import { type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import {
  isRegistered,
  registerConsumer,
  sharedKey,
  unregisterConsumer,
} from "../key/managed-key.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeLayout } from "../model/layout.ts";
import { nowOf } from "../model/volume-context.ts";
import { beginningOf } from "./create.ts";
import { openedLayout } from "./opened-layout.ts";

/** A disk that others made, and the user's key that opens it. */
export interface ImportInput {
  readonly location: string;
  readonly format: "luks1" | "luks2";
  readonly cipher: string;
  readonly keyId: ObjectId;
}

/** What was found of the disk. */
export interface ImportFacts {
  /** Those that the key opens. */
  readonly slots: readonly number[];
  /** The disk named the key already. */
  readonly wasNamed: boolean;
  readonly layout: VolumeLayout;
  /**
   * The key was registered for this volume before this ledger knew it, so that another disk,
   * of another ledger, may need it: it is neither released nor deleted with the volume.
   */
  readonly wasRegistered: boolean;
}

type ImportWork = Work<ImportInput, ImportFacts>;

/** The disk opens as it did; only the ledger, a token and a consumer are new. */
export const importOperation: Operation<ImportInput, ImportFacts> = {
  kind: "import",
  prepare: [
    withoutUndo("prove the key", prove),
    {
      name: "register as the key's consumer",
      take: async ({ context, operation, input }) => {
        await registerConsumer(context, operation.volumeId, input.keyId);
        return undefined;
      },
      undo: async ({ context, operation, input, facts }) => {
        // Without this fact the step was not begun.
        if (facts.wasRegistered !== false) return;
        await unregisterConsumer(context, operation.volumeId, input.keyId);
      },
    },
    { name: "name the key on the disk", take: nameKey, undo: unnameKey },
  ],
  commit: ({ context, operation, input, facts }) => {
    const { location, format, cipher, keyId } = input;
    const { layout, wasRegistered } = facts;
    const attributes = wasRegistered === true ? sharedKey : {};
    const more = { format, cipher, keyId, layout, attributes, state: "ready" } as const;
    return [{ type: "put", volume: beginningOf(context, operation.volumeId, location, more) }];
  },
  finish: [],
};

async function prove({ context, operation, input, key }: ImportWork): Promise<ImportFacts> {
  const { location, keyId } = input;
  const opened = await lendPassphrase(await key(keyId), async (passphrase) => {
    const slots = await slotsOpenedBy(location, passphrase);
    const [slot] = slots;
    if (slot !== undefined) {
      return { slots, layout: await openedLayout(location, passphrase, {}, { slot }) };
    }
    throw new VolumeError(
      "wrong_key",
      `import ${location}: key ${keyId} opens none of its key slots`,
    );
  });
  const named = tokensOf(await readLuks(location)).find(({ object }) => object === keyId);
  if (named !== undefined && !named.keyslots.some((slot) => opened.slots.includes(slot))) {
    // The volume would be looked for in those slots, and never open.
    throw new VolumeError(
      "mismatch",
      `import ${location}: its token ${named.id} names key ${keyId} for other key slots than it opens (${opened.slots.join(", ")}): remove the token first`,
    );
  }
  const wasNamed = named !== undefined;
  const wasRegistered = await isRegistered(context, operation.volumeId, keyId);
  return { ...opened, wasNamed, wasRegistered };
}

async function nameKey({ context, input, facts }: ImportWork): Promise<undefined> {
  const { location, format, keyId: object } = input;
  if (format === "luks1" || facts.wasNamed === true) return;
  const keyslots = facts.slots ?? [];
  await addToken(location, chatelaineToken({ keyslots, object, created: nowOf(context) }));
}

async function unnameKey({ input, facts }: ImportWork): Promise<void> {
  if (facts.wasNamed === false) await removeTokensNaming(input.location, input.keyId);
}
