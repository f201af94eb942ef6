import type { ObjectId, StoredObject } from "@chatelaine/keys/interface";
import {
  addToken,
  type CheckedDigest,
  type CheckedHeader,
  chatelaineToken,
  checkHeader,
  forgetImage,
  type LuksHeader,
  layoutOf,
  parseUuid,
  provesVolumeKey,
  readLuks,
  reencryptImage,
  resumeImage,
  type Unlocked,
  unlock,
} from "@chatelaine/luks";
import { requireRoom } from "../disk/room.ts";
import { removeTokensNaming, slotsOpenedBy } from "../disk/slots.ts";
import { tokensOf } from "../disk/tokens.ts";
import { factOf, type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import { mappingOf } from "../host/disk-use.ts";
import {
  isReencrypting,
  reencryptMapped,
  requireCryptsetup,
  resumeMapped,
} from "../host/reencryption.ts";
import { requireWritable } from "../host/writable.ts";
import { keyBitLength, lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeLayout } from "../model/layout.ts";
import { nowOf } from "../model/volume-context.ts";
import { recordedProblem } from "../record/trusted-volume.ts";
import {
  type InPlaceInput,
  journalFolder,
  journalOf,
  requireNoJournal,
  runOptions,
} from "./in-place.ts";
import { requireWritten, writtenHeader } from "./opened-layout.ts";

/** What re-encrypting starts from. */
export interface ReencryptInput extends InPlaceInput {
  /** What opens the disk, before and after. */
  readonly keyId: ObjectId;
  /** Slots that the key does not open are given up. */
  readonly dropOtherSlots: boolean;
}

export interface ReencryptFacts {
  /** The kernel shows its plaintext, so cryptsetup works on it; else we do. */
  readonly isMapped: boolean;
  readonly slot: number;
  readonly oldVolumeKey: string;
  /** Of the old volume key. Absent from operations that an earlier version began. */
  readonly oldDigest?: CheckedDigest;
  /** Its fingerprint. */
  readonly volumeKey: string;
  readonly layout: VolumeLayout;
}

type ReencryptWork = Work<ReencryptInput, ReencryptFacts>;

/**
 * Another volume key, and every sector encrypted anew. From the commit on it can
 * only go forward: the disk is of two volume keys, and the journal, or the LUKS2
 * header, says where they meet.
 */
export const reencryptOperation: Operation<ReencryptInput, ReencryptFacts> = {
  kind: "reencrypt",
  prepare: [
    withoutUndo("look at the disk", look),
    {
      name: "write the journal",
      take: begin,
      undo: ({ input }) => forgetImage(input.location, journalOf(input)),
    },
  ],
  // A header of the old volume key would make the data unreadable.
  commit: ({ context, volume }) =>
    volume === undefined
      ? []
      : [{ type: "put", volume: { ...volume, headerBackup: undefined, updated: nowOf(context) } }],
  finish: [
    { name: "encrypt the data anew", take: encryptAnew },
    { name: "name the key on the disk", take: nameKey },
  ],
  end: (work) => {
    const { context, volume, facts } = work;
    if (volume === undefined) return [];
    const attributes = { ...volume.attributes, volumeKey: factOf(work, "volumeKey") };
    const { layout } = facts;
    return [{ type: "put", volume: { ...volume, attributes, layout, updated: nowOf(context) } }];
  },
};

/** What re-encrypting would find. */
export type Examined = Pick<ReencryptFacts, "isMapped" | "slot" | "oldVolumeKey"> & {
  readonly oldDigest: CheckedDigest;
  /** They open with something else, and would be lost. */
  readonly otherSlots: readonly number[];
};

async function look({ input, key }: ReencryptWork): Promise<Partial<ReencryptFacts>> {
  const { otherSlots: _others, ...found } = await examine(input, key);
  return found;
}

/** Refuses what cannot be re-encrypted. Changes nothing. @param key fetches a key */
export async function examine(
  input: ReencryptInput,
  key: (keyId: ObjectId) => Promise<StoredObject>,
): Promise<Examined> {
  const { location } = input;
  await requireWritable("re-encrypt", location);
  const mapping = await mappingOf("re-encrypt", location);
  const header = await checkHeader(location);
  if (mapping === undefined) {
    await requireNoJournal("re-encrypt", input);
    const journal = journalFolder(input);
    await requireRoom("re-encrypt", { location, journal, keepsBatch: true, growthBytes: 0 });
  } else if (header.version === 1) {
    throw new VolumeError(
      "unsupported",
      `re-encrypt ${location}: it is LUKS1, which cannot be re-encrypted while ${mapping.name} is open: close it first`,
    );
  } else await requireCryptsetup();
  const opened = await lendPassphrase(await key(input.keyId), (passphrase) =>
    slotsOpenedBy(location, passphrase),
  );
  const [slot] = opened;
  if (slot === undefined) {
    throw new VolumeError(
      "wrong_key",
      `re-encrypt ${location}: key ${input.keyId} opens none of its key slots`,
    );
  }
  // Slots that are not bound to the data hold other keys, and stay.
  const otherSlots = header.keyslots
    .filter(({ isBound, slot: number }) => isBound && !opened.includes(number))
    .map((keyslot) => keyslot.slot);
  if (otherSlots.length > 0 && !input.dropOtherSlots) {
    throw new VolumeError(
      "invalid_argument",
      `re-encrypt ${location}: slots ${otherSlots.join(", ")} open with something else and would be lost: drop them explicitly`,
    );
  }
  const isMapped = mapping !== undefined;
  const oldVolumeKey = fingerprintOf(header);
  return { isMapped, slot, oldVolumeKey, oldDigest: header.digest, otherSlots };
}

async function begin(work: ReencryptWork): Promise<undefined> {
  const { input, facts } = work;
  if (facts.isMapped === true) return;
  const slot = factOf(work, "slot");
  await lendPassphrase(await work.key(input.keyId), (passphrase) =>
    reencryptImage(input.location, {
      ...journalOf(input),
      passphrase,
      keyslots: [{ passphrase, entropyBits: keyBitLength, slot }],
      onlyBegin: true,
    }),
  );
}

/** Where the disk has another volume key already, it has been done. */
async function encryptAnew(work: ReencryptWork): Promise<undefined> {
  await lendPassphrase(await work.key(work.input.keyId), (passphrase) =>
    work.facts.isMapped === true
      ? encryptMapped(work, passphrase)
      : encryptUnmapped(work, passphrase),
  );
  await reencryptedHeader(work);
}

async function encryptUnmapped(work: ReencryptWork, passphrase: Uint8Array): Promise<void> {
  const { location } = work.input;
  const options = { ...runOptions(work), passphrase, operation: "reencrypt" } as const;
  await resumeImage(location, options);
  // Whoever can write the journal's folder can remove the journal, or put the old header in the new one's place.
  if (!(await hasOldKey(work, await checkHeader(location), passphrase))) return;
  await begin(work);
  await resumeImage(location, options);
}

async function encryptMapped(work: ReencryptWork, passphrase: Uint8Array): Promise<void> {
  const { operation, input, volume } = work;
  const { location } = input;
  const { onProgress = () => undefined } = runOptions(work);
  const uuid = parseUuid(operation.volumeId);
  if (uuid === undefined) throw new VolumeError("mismatch", `re-encrypt ${location}: no UUID`);
  if (isReencrypting(await readLuks(location))) {
    const before = (unlocked: Unlocked) => requireReencrypted(work, unlocked);
    await resumeMapped(location, passphrase, { uuid, before, onProgress });
    return;
  }
  // cryptsetup reads the header by itself: what it must keep is checked before, and by `reencryptedHeader` afterwards.
  const header = await checkHeader(location);
  if (!(await hasOldKey(work, header, passphrase))) return;
  const problem = volume && recordedProblem(location, volume, header);
  if (problem !== undefined) throw problem;
  await reencryptMapped(location, passphrase, { header, slot: factOf(work, "slot"), onProgress });
}

/**
 * Whether a header is of the volume key that is to go. What the header says does not decide: somebody who can write the
 * disk can add digests, and somebody who has the volume key can compute other ones of it.
 */
async function hasOldKey(
  { input, facts }: ReencryptWork,
  header: CheckedHeader,
  passphrase: Uint8Array,
): Promise<boolean> {
  const unlocked = await unlock(input.location, passphrase, { header });
  try {
    return await isOfOldKey(facts, unlocked);
  } finally {
    unlocked.volumeKey.destroy();
  }
}

async function isOfOldKey(
  { oldDigest, oldVolumeKey }: ReencryptWork["facts"],
  { header, volumeKey }: Unlocked,
): Promise<boolean> {
  if (oldDigest === undefined) return fingerprintOf(header) === oldVolumeKey;
  return provesVolumeKey(oldDigest, volumeKey);
}

/** Before a header is written that cryptsetup has not written: that it is what the re-encryption was to make. @throws `integrity` */
async function requireReencrypted(work: ReencryptWork, unlocked: Unlocked): Promise<void> {
  const { input, facts } = work;
  const { location } = input;
  requireWritten(location, unlocked.header, unchangedLayout(work));
  if (await isOfOldKey(facts, unlocked)) throw stillOldKey(location);
}

/** cryptsetup gives the key another slot. */
async function nameKey(work: ReencryptWork): Promise<Partial<ReencryptFacts>> {
  const { context, input } = work;
  const { location, keyId } = input;
  const header = await reencryptedHeader(work);
  const found = { volumeKey: fingerprintOf(header), layout: layoutOf(header) };
  if (header.version === 1) return found;
  const opened = await lendPassphrase(await work.key(keyId), (passphrase) =>
    slotsOpenedBy(location, passphrase),
  );
  const tokens = tokensOf(header).filter(({ object }) => object === keyId);
  const [token] = tokens;
  if (tokens.length === 1 && String(token?.keyslots) === String(opened)) return found;
  await removeTokensNaming(location, keyId);
  const created = nowOf(context);
  await addToken(location, chatelaineToken({ keyslots: opened, object: keyId, created }));
  return found;
}

/** Re-encryption gives the disk another volume key, and changes nothing else. @throws `integrity` */
async function reencryptedHeader(work: ReencryptWork): Promise<CheckedHeader> {
  const { input } = work;
  const { location } = input;
  const header = await writtenHeader(location, unchangedLayout(work));
  const isOld = await lendPassphrase(await work.key(input.keyId), (passphrase) =>
    hasOldKey(work, header, passphrase),
  );
  if (!isOld) return header;
  throw stillOldKey(location);
}

function unchangedLayout({ volume }: ReencryptWork): Partial<VolumeLayout> {
  const { digest: _old, ...unchanged }: Partial<VolumeLayout> = volume?.layout ?? {};
  return unchanged;
}

function stillOldKey(location: string): VolumeError {
  return new VolumeError(
    "integrity",
    `re-encrypt ${location}: it still has the volume key of before: somebody changed its header or journal meanwhile`,
  );
}

/** Tells volume keys apart; says nothing of their bytes. */
export function fingerprintOf(header: LuksHeader): string {
  return header.digests.map(({ fingerprint }) => fingerprint).join(" ");
}
