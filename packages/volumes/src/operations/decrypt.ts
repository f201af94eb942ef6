import type { ObjectId } from "@chatelaine/keys/interface";
import { decryptImage, forgetImage, LuksError, resumeImage } from "@chatelaine/luks";
import { requireRoom } from "../disk/room.ts";
import { slotsOpenedBy } from "../disk/slots.ts";
import { type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import { requireUnused } from "../host/disk-use.ts";
import { requireWritable } from "../host/writable.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import { type DeleteFacts, deleteKeys } from "./delete.ts";
import {
  type InPlaceInput,
  journalFolder,
  journalOf,
  requireNoJournal,
  runOptions,
} from "./in-place.ts";

/** A volume that is to be a plain disk again. */
export interface DecryptInput extends InPlaceInput {
  /** What opens it. */
  readonly keyId: ObjectId;
  /** The ledger's key of the volume, if it goes with it. */
  readonly keyIds: readonly ObjectId[];
}

export interface DecryptFacts extends DeleteFacts {
  /**
   * The journal stays until the key is deleted: a missing journal was lost, or its file system is not mounted.
   * Absent from operations that an earlier version began, which had none once the data were decrypted.
   */
  readonly keepsJournal?: boolean;
}

type DecryptWork = Work<DecryptInput, DecryptFacts>;

/** The key goes once nothing needs it any more. */
export const decryptOperation: Operation<DecryptInput, DecryptFacts> = {
  kind: "decrypt",
  prepare: [
    withoutUndo("look at the disk", look),
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
    { name: "remove the journal", take: removeJournal },
  ],
  end: ({ operation }) => [{ type: "remove", id: operation.volumeId }],
};

async function look({ input }: DecryptWork): Promise<undefined> {
  const { location } = input;
  await requireWritable("decrypt", location);
  await requireUnused("decrypt", location);
  await requireNoJournal("decrypt", input);
  const journal = journalFolder(input);
  await requireRoom("decrypt", { location, journal, keepsBatch: false, growthBytes: 0 });
}

async function begin({ input, key }: DecryptWork): Promise<Partial<DecryptFacts>> {
  await lendPassphrase(await key(input.keyId), (passphrase) =>
    decryptImage(input.location, { ...journalOf(input), passphrase, onlyBegin: true }),
  );
  return { keepsJournal: true };
}

/** Without a journal it has not begun, or the journal was lost: the key of a disk that is half decrypted is all there is. */
async function decryptData(work: DecryptWork): Promise<undefined> {
  const { input, facts } = work;
  const { location } = input;
  const keepJournal = facts.keepsJournal === true;
  await lendPassphrase(await work.key(input.keyId), async (passphrase) => {
    const options = { ...runOptions(work), passphrase, operation: "decrypt", keepJournal } as const;
    const isResumed = await resumeImage(location, options);
    // Its first write goes over the header. The key must not be deleted while that is there.
    if (!(await isStillEncrypted(location, passphrase))) {
      if (keepJournal && !isResumed) throw lostJournal(input);
      return;
    }
    if (isResumed) throw forgedJournal(input);
    await begin(work);
    await resumeImage(location, options);
  });
}

async function removeJournal({ input, facts }: DecryptWork): Promise<undefined> {
  if (facts.keepsJournal === true) await forgetImage(input.location, journalOf(input));
}

function forgedJournal(input: DecryptInput): VolumeError {
  return new VolumeError(
    "integrity",
    `decrypt ${input.location}: its journal says that it is decrypted, but the key opens it still: somebody changed ${journalFolder(input)}; remove the folder, and it begins again`,
  );
}

function lostJournal(input: DecryptInput): VolumeError {
  return new VolumeError(
    "io",
    `decrypt ${input.location}: its journal is not in ${journalFolder(input)}, and nothing else says how far the data are decrypted; the key is kept: mount the file system of the journal, or put the folder back`,
  );
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
