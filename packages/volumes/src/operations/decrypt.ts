import type { ObjectId } from "@chatelaine/keys";
import { decryptImage, forgetImage, LuksError, resumeImage } from "@chatelaine/luks";
import {
  type InPlaceInput,
  journalFolder,
  journalOf,
  requireNoJournal,
  runOptions,
} from "../disk/in-place.ts";
import { requireRoom } from "../disk/room.ts";
import { slotsOpenedBy } from "../disk/slots.ts";
import { requireUnused } from "../host/disk-use.ts";
import { lendPassphrase } from "../passphrase.ts";
import { keyOf } from "./change-key.ts";
import { type DeleteFacts, deleteKeys } from "./delete.ts";
import type { Operation, Work } from "./operation.ts";

/** A volume that is to be a plain disk again. */
export interface DecryptInput extends InPlaceInput {
  /** What opens it. */
  readonly keyId: ObjectId;
  /** The ledger's key of the volume, if it goes with it. */
  readonly keyIds: readonly ObjectId[];
}

type DecryptWork = Work<DecryptInput, DeleteFacts>;

/** The key goes once nothing needs it any more. */
export const decryptOperation: Operation<DecryptInput, DeleteFacts> = {
  kind: "decrypt",
  prepare: [
    { name: "look at the disk", take: look, undo: async () => {} },
    {
      name: "write the journal",
      take: begin,
      undo: ({ input }) => forgetImage(input.location, journalOf(input)),
    },
  ],
  commit: ({ volume }) =>
    volume === undefined ? [] : [{ type: "put", volume: { ...volume, state: "deleting" } }],
  finish: [
    { name: "decrypt the data", take: decryptData },
    { name: "delete the key", take: deleteKeys },
  ],
  end: ({ operation }) => [{ type: "remove", id: operation.volumeId }],
};

async function look({ input }: DecryptWork): Promise<undefined> {
  const { location } = input;
  await requireUnused("decrypt", location);
  await requireNoJournal("decrypt", input);
  const journal = journalFolder(input);
  await requireRoom("decrypt", { location, journal, keepsBatch: false, growthBytes: 0 });
}

async function begin({ context, input }: DecryptWork): Promise<undefined> {
  await lendPassphrase(await keyOf(context, input.keyId), (passphrase) =>
    decryptImage(input.location, { ...journalOf(input), passphrase, onlyBegin: true }),
  );
}

/** Without a journal it has been done already; or somebody who can write its folder has removed it. */
async function decryptData(work: DecryptWork): Promise<undefined> {
  const { context, input } = work;
  const { location } = input;
  await lendPassphrase(await keyOf(context, input.keyId), async (passphrase) => {
    const options = { ...runOptions(work), passphrase, operation: "decrypt" } as const;
    if (await resumeImage(location, options)) return;
    // Its first write goes over the header. The key must not be deleted while that is there.
    if (!(await isStillEncrypted(location, passphrase))) return;
    await begin(work);
    await resumeImage(location, options);
  });
}

async function isStillEncrypted(location: string, passphrase: Uint8Array): Promise<boolean> {
  const slots = await slotsOpenedBy(location, passphrase).catch((error: unknown) => {
    // The plaintext is anything, even a LUKS header of its owner's. That there is no disk, or one that may be two things,
    // says nothing.
    if (error instanceof LuksError && !unreadable.includes(error.code)) return [];
    throw error;
  });
  return slots.length > 0;
}

const unreadable: readonly string[] = ["io", "busy", "invalid_argument", "ambiguous"];
