import type { ObjectId } from "@chatelaine/keys";
import {
  addToken,
  chatelaineToken,
  checkHeader,
  forgetImage,
  type LuksHeader,
  parseUuid,
  readLuks,
  reencryptImage,
  resumeImage,
} from "@chatelaine/luks";
import {
  type InPlaceInput,
  journalFolder,
  journalOf,
  requireNoJournal,
  runOptions,
} from "../disk/in-place.ts";
import { requireRoom } from "../disk/room.ts";
import { removeTokensNaming, slotsOpenedBy } from "../disk/slots.ts";
import { VolumeError } from "../errors.ts";
import { mappingOf } from "../host/disk-use.ts";
import {
  isReencrypting,
  reencryptMapped,
  requireCryptsetup,
  resumeMapped,
} from "../host/reencryption.ts";
import { tokensOf } from "../inspect-volume.ts";
import type { VolumeLayout } from "../layout.ts";
import { keyBitLength, lendPassphrase } from "../passphrase.ts";
import { recordedProblem } from "../trusted-volume.ts";
import { nowOf, type VolumeContext } from "../volume-context.ts";
import { keyOf } from "./change-key.ts";
import { openedLayout } from "./opened-layout.ts";
import type { Operation, Work } from "./operation.ts";

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
    { name: "look at the disk", take: look, undo: async () => {} },
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
  end: ({ context, volume, facts }) => {
    if (volume === undefined) return [];
    const attributes = { ...volume.attributes, volumeKey: facts.volumeKey as string };
    const { layout } = facts;
    return [{ type: "put", volume: { ...volume, attributes, layout, updated: nowOf(context) } }];
  },
};

/** What re-encrypting would find. */
export type Examined = Pick<ReencryptFacts, "isMapped" | "slot" | "oldVolumeKey"> & {
  /** They open with something else, and would be lost. */
  readonly otherSlots: readonly number[];
};

async function look({ context, input }: ReencryptWork): Promise<Partial<ReencryptFacts>> {
  const { isMapped, slot, oldVolumeKey } = await examine(context, input);
  return { isMapped, slot, oldVolumeKey };
}

/** Refuses what cannot be re-encrypted. Changes nothing. */
export async function examine(context: VolumeContext, input: ReencryptInput): Promise<Examined> {
  const { location } = input;
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
  const opened = await lendKey(context, input, (passphrase) => slotsOpenedBy(location, passphrase));
  const [slot] = opened;
  if (slot === undefined) {
    throw new VolumeError(
      "wrong_key",
      `re-encrypt ${location}: key ${input.keyId} opens none of its key slots`,
    );
  }
  const otherSlots = header.keyslots
    .map((keyslot) => keyslot.slot)
    .filter((number) => !opened.includes(number));
  if (otherSlots.length > 0 && !input.dropOtherSlots) {
    throw new VolumeError(
      "invalid_argument",
      `re-encrypt ${location}: slots ${otherSlots.join(", ")} open with something else and would be lost: drop them explicitly`,
    );
  }
  const isMapped = mapping !== undefined;
  return { isMapped, slot, oldVolumeKey: fingerprintOf(header), otherSlots };
}

async function begin({ context, input, facts }: ReencryptWork): Promise<undefined> {
  if (facts.isMapped === true) return;
  const slot = facts.slot as number;
  await lendKey(context, input, (passphrase) =>
    reencryptImage(input.location, {
      ...journalOf(input),
      passphrase,
      keyslots: [{ passphrase, entropyBits: keyBitLength, slot }],
      onlyBegin: true,
    }),
  );
}

/** Without a journal it has been done already. */
async function encryptAnew(work: ReencryptWork): Promise<undefined> {
  const { context, operation, input, facts, volume } = work;
  const { location } = input;
  await lendKey(context, input, async (passphrase) => {
    if (facts.isMapped !== true) {
      await resumeImage(location, { ...runOptions(work), passphrase });
      return;
    }
    const { onProgress = () => undefined } = runOptions(work);
    const uuid = parseUuid(operation.volumeId);
    if (uuid === undefined) throw new VolumeError("mismatch", `re-encrypt ${location}: no UUID`);
    if (isReencrypting(await readLuks(location))) {
      await resumeMapped(location, passphrase, { uuid, onProgress });
      return;
    }
    // cryptsetup reads the header by itself: what it must keep is checked before, and with `newLayout` afterwards.
    const header = await checkHeader(location);
    if (fingerprintOf(header) !== facts.oldVolumeKey) return;
    const problem = volume && recordedProblem(location, volume, header);
    if (problem !== undefined) throw problem;
    const slot = facts.slot as number;
    await reencryptMapped(location, passphrase, { header, slot, onProgress });
  });
}

/** cryptsetup gives the key another slot. */
async function nameKey(work: ReencryptWork): Promise<Partial<ReencryptFacts>> {
  const { context, input } = work;
  const { location, keyId } = input;
  const header = await readLuks(location);
  const layout = await newLayout(work);
  const found = { volumeKey: fingerprintOf(header), layout };
  if (header.version === 1) return found;
  const opened = await lendKey(context, input, (passphrase) => slotsOpenedBy(location, passphrase));
  const tokens = tokensOf(header).filter(({ object }) => object === keyId);
  const [token] = tokens;
  if (tokens.length === 1 && String(token?.keyslots) === String(opened)) return found;
  await removeTokensNaming(location, keyId);
  const created = nowOf(context);
  await addToken(location, chatelaineToken({ keyslots: opened, object: keyId, created }));
  return found;
}

/** Re-encryption gives the disk another volume key, and changes nothing else. */
async function newLayout({ context, input, volume }: ReencryptWork): Promise<VolumeLayout> {
  const { digest: _old, ...unchanged }: Partial<VolumeLayout> = volume?.layout ?? {};
  return lendKey(context, input, (passphrase) =>
    openedLayout(input.location, passphrase, unchanged),
  );
}

/** Tells volume keys apart; says nothing of their bytes. */
export function fingerprintOf(header: LuksHeader): string {
  return header.digests.map(({ fingerprint }) => fingerprint).join(" ");
}

async function lendKey<T>(
  context: VolumeContext,
  { keyId }: ReencryptInput,
  use: (passphrase: Uint8Array) => Promise<T>,
): Promise<T> {
  return lendPassphrase(await keyOf(context, keyId), use);
}
