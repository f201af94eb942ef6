import type { ObjectId } from "@chatelaine/keys";
import { decryptImage, forgetImage, resumeImage } from "@chatelaine/luks";
import {
  type InPlaceInput,
  journalFolder,
  journalOf,
  requireNoJournal,
  runOptions,
} from "../disk/in-place.ts";
import { requireRoom } from "../disk/room.ts";
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

/** Without a journal it has been done already. */
async function decryptData(work: DecryptWork): Promise<undefined> {
  const { context, input } = work;
  await lendPassphrase(await keyOf(context, input.keyId), (passphrase) =>
    resumeImage(input.location, { ...runOptions(work), passphrase, operation: "decrypt" }),
  );
}
