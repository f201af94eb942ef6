import { isDeepStrictEqual } from "node:util";
import { carriedTokens } from "./carry-over.ts";
import { type Area, areaOf } from "./key-area.ts";
import {
  type Luks2Digest,
  type Luks2Metadata,
  type Luks2Segment,
  reencryptionSlotType,
} from "./metadata.ts";

/** What remains to be written when all data has the new volume key. */
export interface FinishedReencryption {
  /** Without the state of the re-encryption, and without the old volume key's segment, digest and slots. */
  readonly metadata: Luks2Metadata;
  /** Where the slots lie that are not in `metadata` any more: to be erased. */
  readonly areas: readonly Area[];
}

/** Of cryptsetup 2.4 and newer. */
const requirement = "online-reencrypt-v2";
/** The data stays where it is. */
const inPlace = new Set(["none", "checksum", "journal"]);

/**
 * The end of a re-encryption by cryptsetup 2.6, whose last headers say in this order: all data has the new key; the old
 * key slots are gone; all is done. Killed after it began to erase the old slots, it asks for the old key for ever.
 *
 * @returns undefined unless the header is of the first or the second kind in everything
 */
export function finishedReencryption(metadata: Luks2Metadata): FinishedReencryption | undefined {
  const { keyslots, tokens, segments, digests, config } = metadata;
  const state = onlyId(keyslots, ({ type }) => type === reencryptionSlotType);
  const previous = onlyId(segments, isFlagged("backup-previous"));
  const final = onlyId(segments, isFlagged("backup-final"));
  if (state === undefined || previous === undefined || final === undefined) return undefined;
  if (!isInPlace(keyslots[state]) || !isAllNew(segments, previous)) return undefined;
  if (!isDeepStrictEqual(config.requirements?.mandatory, [requirement])) return undefined;

  const newDigest = onlyId(digests, covers(["0", final]));
  const oldDigest = onlyId(digests, covers([previous]));
  const stateDigest = onlyId(digests, (digest) => isDeepStrictEqual(digest.keyslots, [state]));
  if (newDigest === undefined || oldDigest === undefined || stateDigest === undefined) {
    return undefined;
  }
  const others = without(digests, [newDigest, oldDigest]);
  if (!Object.values(others).every(covers([]))) return undefined;

  const gone = [state, ...(digests[oldDigest]?.keyslots ?? [])];
  const kept = without(keyslots, gone);
  const keptDigests = Object.entries(without(digests, [oldDigest, stateDigest]));
  const { requirements: { mandatory: _done, ...requirements } = {}, ...otherConfig } = config;
  return {
    metadata: {
      ...metadata,
      keyslots: kept,
      tokens: carriedTokens(tokens, kept),
      segments: without(segments, [previous, final]),
      digests: Object.fromEntries(
        keptDigests.map(([id, digest]) => [
          id,
          id === newDigest ? { ...digest, segments: ["0"] } : digest,
        ]),
      ),
      config:
        Object.keys(requirements).length === 0 ? otherConfig : { ...otherConfig, requirements },
    },
    areas: Object.entries(keyslots)
      .filter(([id]) => gone.includes(id))
      .map(([, slot]) => areaOf(slot)),
  };
}

function isInPlace(slot: Luks2Metadata["keyslots"][string] | undefined): boolean {
  // A member that only this type of slot has.
  const { mode } = (slot ?? {}) as { readonly mode?: unknown };
  return mode === "reencrypt" && inPlace.has(slot?.area.type ?? "");
}

/** There is one data segment, it is as it shall be in the end, and it lies where it lay before. */
function isAllNew(segments: Luks2Metadata["segments"], previous: string): boolean {
  const { "0": data, [previous]: before } = segments;
  return (
    isDataFinal(segments) &&
    Object.keys(segments).length === 3 &&
    data?.offset === before?.offset &&
    data?.size === before?.size
  );
}

/**
 * There is one data segment, and it is as it shall be in the end of what cryptsetup does. Which key a re-encryption
 * has reached is not for the segments to say.
 */
export function isDataFinal(segments: Luks2Metadata["segments"]): boolean {
  const final = onlyId(segments, isFlagged("backup-final"));
  if (final === undefined) return false;
  const { "0": data, ...others } = segments;
  const { flags: _flags, ...wanted } = segments[final] as Luks2Segment;
  return isDeepStrictEqual(data, wanted) && Object.values(others).every(isBackup);
}

/** Says how the disk was before or will be afterwards. */
export function isBackup({ flags }: Luks2Segment): boolean {
  return flags?.some((flag) => flag.startsWith("backup-")) === true;
}

function covers(ids: readonly string[]): (digest: Luks2Digest) => boolean {
  return ({ segments }) => isDeepStrictEqual(segments.toSorted(), ids.toSorted());
}

function isFlagged(flag: string): (segment: Luks2Segment) => boolean {
  return ({ flags }) => isDeepStrictEqual(flags, [flag]);
}

/** @returns undefined for none, and for several */
function onlyId<T>(
  entries: Readonly<Record<string, T>>,
  isWanted: (entry: T) => boolean,
): string | undefined {
  const [found, ...others] = Object.entries(entries).filter(([, entry]) => isWanted(entry));
  return others.length === 0 ? found?.[0] : undefined;
}

function without<T>(
  entries: Readonly<Record<string, T>>,
  ids: readonly string[],
): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(entries).filter(([id]) => !ids.includes(id)));
}
