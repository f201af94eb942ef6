import type { ObjectId } from "@chatelaine/keys/interface";
import {
  chatelaineToken,
  type DeviceReference,
  formatLuks1,
  formatLuks2,
  type OpenDisk,
  withOpenDisk,
} from "@chatelaine/luks";
import type { Occupant } from "../disk/location.ts";
import { makeSparseFile, publish, stagingPath, withdraw, withStagedFile } from "../disk/staging.ts";
import { requireZeroes, wipeHeader } from "../disk/wipe.ts";
import { factOf, type Operation, type Work, withoutUndo } from "../engine/operation.ts";
import { requireWritable } from "../host/writable.ts";
import {
  createManagedKey,
  discardKeysNamed,
  keyName,
  registerConsumer,
  unregisterConsumer,
} from "../key/managed-key.ts";
import { keyBitLength, lendPassphrase } from "../key/passphrase.ts";
import type { VolumeLayout } from "../model/layout.ts";
import type { VolumeChange, VolumeRecord } from "../model/ledger.ts";
import { nowOf, projectOf, type VolumeContext } from "../model/volume-context.ts";
import { refuseRecorded } from "../record/recorded-disk.ts";
import { openedLayout, ownCipher, writtenHeader } from "./opened-layout.ts";

export interface CreateInput {
  readonly location: string;
  readonly occupant: Exclude<Occupant, "nothing">;
  /** Of the data. Only of a file. */
  readonly sizeBytes?: number;
  readonly sectorSize: 512 | 1024 | 2048 | 4096;
  readonly label: string;
  /** Default LUKS2. */
  readonly format?: "luks1" | "luks2";
  /** A key that the user brought; else one is made. */
  readonly keyId?: ObjectId;
  /** The volume whose data it is to hold, as it opens now. */
  readonly from?: { readonly location: string; readonly keyId: ObjectId };
}

export interface CreateFacts {
  readonly keyId: ObjectId;
  readonly layout: VolumeLayout;
}

type CreateWork = Work<CreateInput, CreateFacts>;
type KeyWork = Work<{ readonly keyId?: ObjectId }, CreateFacts>;

/** What formatLuks2 puts before the data. */
export const headerBytes = 16 * 1024 * 1024;

/** Until the ledger has the volume as ready, everything is taken back. */
export const createOperation: Operation<CreateInput, CreateFacts> = {
  kind: "create",
  prepare: [
    { name: "claim the disk", take: claim, undo: withdrawFile },
    { name: "make the key", take: makeKey, undo: unmakeKey },
    { name: "format", take: format, undo: unformat },
    withoutUndo("copy the data", copyData),
    { name: "publish", take: publishFile, undo: withdrawFile },
  ],
  commit: commitMade,
  finish: [],
  abandon: abandonMade,
};

/** The volume is there, and opens. */
export function commitMade({
  context,
  volume,
  facts,
}: Work<object, CreateFacts>): readonly VolumeChange[] {
  if (volume === undefined) return [];
  const updated = nowOf(context);
  const { keyId, layout } = facts;
  const found = layout ?? volume;
  const seen = { format: found.format, cipher: found.cipher, layout };
  const made = { ...volume, ...seen, keyId, updated };
  return [{ type: "put", volume: { ...made, state: "ready" } }];
}

/** As if it had never been begun. */
export function abandonMade({ operation }: Work<object, CreateFacts>): readonly VolumeChange[] {
  return [{ type: "remove", id: operation.volumeId }];
}

/** The volume's first row, before anything of it exists. */
export function beginningOf(
  context: VolumeContext,
  id: string,
  location: string,
  more: Partial<VolumeRecord> = {},
): VolumeRecord {
  const now = nowOf(context);
  return {
    id,
    kind: "volume",
    project: projectOf(context),
    host: context.ledger.host,
    location,
    format: "luks2",
    cipher: "aes-xts-plain64",
    keyId: undefined,
    state: "creating",
    parentId: undefined,
    headerBackup: undefined,
    layout: undefined,
    attributes: {},
    created: now,
    updated: now,
    ...more,
  };
}

/** The path that holds the disk while it is being prepared. */
function workPath({ input, operation }: CreateWork): string {
  return input.occupant === "file" ? stagingPath(input.location, operation.id) : input.location;
}

async function claim(work: CreateWork): Promise<undefined> {
  const { context, operation, input } = work;
  if (input.occupant === "file") {
    await makeSparseFile(workPath(work), headerBytes + (input.sizeBytes ?? 0));
  } else {
    // The row is written: of two processes that know the disk by two names, one at least sees the other.
    await refuseRecorded(context.ledger, "create", input.location, operation.volumeId);
    await requireWritable("create", input.location);
    await requireZeroes(input.location, headerBytes);
  }
}

/** A key of the volume's own, or the one that the user brought. */
export async function makeKey({
  context,
  operation,
  input,
}: KeyWork): Promise<Pick<CreateFacts, "keyId">> {
  const { id, volumeId } = operation;
  if (input.keyId !== undefined) {
    await registerConsumer(context, volumeId, input.keyId);
    return { keyId: input.keyId };
  }
  return { keyId: await createManagedKey(context, volumeId, keyName(volumeId, id)) };
}

export async function unmakeKey({ context, operation, input }: KeyWork): Promise<void> {
  const { id, volumeId } = operation;
  if (input.keyId !== undefined) await unregisterConsumer(context, volumeId, input.keyId);
  else await discardKeysNamed(context, volumeId, keyName(volumeId, id));
}

async function format(work: CreateWork): Promise<Pick<CreateFacts, "layout">> {
  const { context, operation, input } = work;
  const path = workPath(work);
  const keyId = factOf(work, "keyId");
  return lendPassphrase(await work.key(keyId), async (passphrase) => {
    const uuid = operation.volumeId;
    const keyslots = [{ passphrase, entropyBits: keyBitLength }];
    const write = (disk: DeviceReference) =>
      input.format === "luks1"
        ? formatLuks1(disk, { uuid, keyslots, dataOffset: headerBytes })
        : formatLuks2(disk, {
            uuid,
            keyslots,
            tokens: [chatelaineToken({ keyslots: [0], object: keyId, created: nowOf(context) })],
            sectorSize: input.sectorSize,
            label: input.label,
          });
    await (input.occupant === "file" ? withStagedFile(path, write) : write(path));
    return { layout: await openedLayout(path, passphrase, layoutAskedFor(input)) };
  });
}

/** What a disk must be after it was formatted, but for its volume key. */
export function layoutAskedFor(
  input: Pick<CreateInput, "format" | "sectorSize">,
): Partial<VolumeLayout> {
  const { format: asked = "luks2", sectorSize } = input;
  return { ...ownCipher, format: asked, sectorSize, dataOffset: headerBytes };
}

async function unformat({ input, operation }: CreateWork): Promise<void> {
  // It was all zeroes when it was claimed, so what is there now is ours.
  if (input.occupant === "device") {
    const how = { skipsZeroes: true };
    await wipeHeader(input.location, operation.volumeId, headerBytes, "device", how);
  }
}

/** Decrypted with the one volume key and encrypted with the other, so that neither ever opens both. */
async function copyData(work: CreateWork): Promise<undefined> {
  const { context, input, facts, signal } = work;
  if (input.from === undefined) return;
  const { location, keyId } = input.from;
  const path = workPath(work);
  const recorded = await context.ledger.volumeAt(location);
  const source = await writtenHeader(location, recorded?.layout);
  const target = await writtenHeader(path, facts.layout);
  const [from, to] = [await work.key(keyId), await work.key(factOf(work, "keyId"))];
  await lendPassphrase(from, (open) =>
    lendPassphrase(to, (seal) =>
      withOpenDisk(
        location,
        open,
        (read) =>
          withOpenDisk(path, seal, (write) => copySectors(read, write, signal), {
            access: "write",
            checked: target,
          }),
        { checked: source },
      ),
    ),
  );
}

async function copySectors(from: OpenDisk, to: OpenDisk, signal: AbortSignal): Promise<void> {
  const chunk = new Uint8Array(4 * 1024 * 1024);
  for (let offset = 0; offset < from.size; offset += chunk.length) {
    signal.throwIfAborted();
    const part = chunk.subarray(0, Math.min(chunk.length, from.size - offset));
    await from.read(offset, part);
    await to.write(offset, part);
  }
  chunk.fill(0);
  await to.sync();
}

async function publishFile(work: CreateWork): Promise<undefined> {
  if (work.input.occupant === "file") await publish(workPath(work), work.input.location);
}

async function withdrawFile(work: CreateWork): Promise<void> {
  if (work.input.occupant !== "file") return;
  await withdraw(workPath(work), work.input.location, work.operation.volumeId);
}
