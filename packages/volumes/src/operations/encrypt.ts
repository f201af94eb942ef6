import {
  chatelaineToken,
  encryptImage,
  forgetImage,
  type ImageFormat,
  resumeImage,
} from "@chatelaine/luks";
import type { Occupant } from "../disk/location.ts";
import { requireRoom } from "../disk/room.ts";
import { factOf, type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import { requireUnused } from "../host/disk-use.ts";
import { requireWritable } from "../host/writable.ts";
import { keyBitLength, lendPassphrase } from "../key/passphrase.ts";
import { nowOf } from "../model/volume-context.ts";
import { refuseRecorded } from "../record/recorded-disk.ts";
import {
  abandonMade,
  type CreateFacts,
  type CreateInput,
  headerBytes,
  layoutAskedFor,
  makeKey,
  unmakeKey,
} from "./create.ts";
import {
  type InPlaceInput,
  journalFolder,
  journalOf,
  requireNoJournal,
  runOptions,
} from "./in-place.ts";
import { openedLayout } from "./opened-layout.ts";

/** A disk whose data are to be encrypted where they are. */
export interface EncryptInput
  extends InPlaceInput,
    Required<Pick<CreateInput, "sectorSize" | "label" | "format">>,
    Pick<CreateInput, "keyId"> {
  readonly occupant: Exclude<Occupant, "nothing">;
  /** See `encryptImage`. */
  readonly allowDestroyingData: readonly string[];
}

type EncryptWork = Work<EncryptInput, CreateFacts>;

/**
 * Makes a volume of a disk with data. Until the commit the disk is as it was; from
 * then on the journal says how far the data have moved, and it can only go forward.
 */
export const encryptOperation: Operation<EncryptInput, CreateFacts> = {
  kind: "encrypt",
  prepare: [
    withoutUndo("look at the disk", look),
    { name: "make the key", take: makeKey, undo: unmakeKey },
    {
      name: "write the journal",
      take: begin,
      undo: ({ input }) => forgetImage(input.location, journalOf(input)),
    },
  ],
  commit: ({ volume, facts }) =>
    volume === undefined ? [] : [{ type: "put", volume: { ...volume, keyId: facts.keyId } }],
  finish: [{ name: "encrypt the data", take: encryptData }],
  end: ({ context, volume, facts: { layout } }) =>
    volume === undefined
      ? []
      : [{ type: "put", volume: { ...volume, layout, state: "ready", updated: nowOf(context) } }],
  abandon: abandonMade,
};

async function look({ context, operation, input }: EncryptWork): Promise<undefined> {
  // The row is written: of two processes that know the disk by two names, one at least sees the other.
  await refuseRecorded(context.ledger, "encrypt", input.location, operation.volumeId);
  await examine(input);
}

/** Refuses what is in use, or would not fit. Changes nothing. */
export async function examine(input: EncryptInput): Promise<void> {
  const { location, occupant } = input;
  await requireWritable("encrypt", location);
  await requireUnused("encrypt", location);
  await requireNoJournal("encrypt", input);
  const growthBytes = occupant === "file" ? headerBytes : 0;
  const journal = journalFolder(input);
  await requireRoom("encrypt", { location, journal, keepsBatch: false, growthBytes });
}

async function begin(work: EncryptWork): Promise<undefined> {
  const { location, allowDestroyingData } = work.input;
  await lendPassphrase(await work.key(factOf(work, "keyId")), (passphrase) =>
    encryptImage(location, {
      ...journalOf(work.input),
      ...(allowDestroyingData.length > 0 && { allowDestroyingData }),
      format: formatOf(work, passphrase),
      onlyBegin: true,
    }),
  );
}

function formatOf(work: EncryptWork, passphrase: Uint8Array): ImageFormat {
  const { context, operation, input } = work;
  const uuid = operation.volumeId;
  const keyslots = [{ passphrase, entropyBits: keyBitLength }];
  if (input.format === "luks1") return { version: 1, uuid, keyslots, dataOffset: headerBytes };
  const { sectorSize, label } = input;
  const object = factOf(work, "keyId");
  const tokens = [chatelaineToken({ keyslots: [0], object, created: nowOf(context) })];
  return { version: 2, uuid, keyslots, tokens, sectorSize, label };
}

/** Without a journal it has been done already. */
async function encryptData(work: EncryptWork): Promise<Pick<CreateFacts, "layout">> {
  const { input } = work;
  const { location } = input;
  return lendPassphrase(await work.key(factOf(work, "keyId")), async (passphrase) => {
    await resumeImage(location, { ...runOptions(work), passphrase, operation: "encrypt" });
    return { layout: await openedLayout(location, passphrase, layoutAskedFor(input)) };
  });
}
