import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import { chatelaineTokenType } from "../format/chatelaine-token.ts";
import type { LuksToken } from "../format/luks-token.ts";
import { type CheckedLuks2Disk, firstFree } from "./checked-disk.ts";
import { type Area, areaOf } from "./key-area.ts";
import type { Luks2Header } from "./load.ts";
import { type Luks2Keyslot, type Luks2Metadata, maxEntries } from "./metadata.ts";

/**
 * What a new header of the same data takes over from the present one: all but the key slots of the old volume key, and
 * what is to be different. Flags, tokens and members that we do not know stay byte for byte.
 */
export interface CarryOver {
  /** Where the present header lies. */
  readonly device: BlockDevice;
  readonly header: Luks2Header;
  /** Slots that are not bound to the data: they hold keys of their own, and stay with their material where they are. */
  readonly slots: Readonly<Record<string, Luks2Keyslot>>;
  /** Number of the digest of the volume key. */
  readonly digest: number;
}

export function carryOverOf({ device, raw, header }: CheckedLuks2Disk): CarryOver {
  const { number } = header.digest;
  const bound = raw.metadata.digests[number]?.keyslots ?? [];
  const slots = Object.entries(raw.metadata.keyslots).filter(([id]) => !bound.includes(id));
  return { device, header: raw, slots: Object.fromEntries(slots), digest: number };
}

/**
 * The metadata of the new header.
 *
 * @param made with segment 0 and digest 0, as of a header that takes nothing over
 * @param tokens further ones
 */
export function carriedMetadata(
  operation: string,
  { header, slots, digest }: CarryOver,
  made: Luks2Metadata,
  tokens: readonly LuksToken[],
): Luks2Metadata {
  const { metadata } = header;
  const keyslots = { ...slots, ...made.keyslots };
  const { [String(digest)]: _old, ...otherDigests } = metadata.digests;
  return {
    ...metadata,
    keyslots,
    tokens: withTokens(operation, carriedTokens(metadata.tokens, keyslots), tokens),
    segments: mapSegment(metadata, made),
    digests: { ...otherDigests, ...renumbered(made, digest) },
    config: { ...metadata.config, ...made.config },
  };
}

/** Copies the key material of the slots that stay, to where it lies now. @throws `no_space` if `place` has no such place */
export async function copyCarriedSlots(
  operation: string,
  { device, slots }: CarryOver,
  target: BlockDevice,
  place: Area,
): Promise<void> {
  for (const [id, slot] of Object.entries(slots)) {
    const area = areaOf(slot);
    if (area.offset < place.offset || area.offset + area.size > place.offset + place.size) {
      throw new LuksError(
        "no_space",
        `${operation} ${target.name}: key slot ${id}, which holds another key, would be outside the key slots area`,
      );
    }
    const chunk = new Uint8Array(Math.min(area.size, 1024 * 1024));
    for (let done = 0; done < area.size; done += chunk.length) {
      const part = chunk.subarray(0, area.size - done);
      await device.read(area.offset + done, part);
      await target.write(area.offset + done, part);
    }
  }
}

function mapSegment(present: Luks2Metadata, made: Luks2Metadata): Luks2Metadata["segments"] {
  const [before, after] = [present.segments["0"], made.segments["0"]];
  return before && after ? { "0": { ...before, ...after } } : made.segments;
}

function renumbered({ digests }: Luks2Metadata, number: number): Luks2Metadata["digests"] {
  const [made] = Object.values(digests);
  return made ? { [String(number)]: made } : {};
}

/**
 * A token of a slot that is gone stays without it, as cryptsetup leaves it. Ours says nothing then but which key opened
 * the disk before.
 */
export function carriedTokens(
  tokens: Luks2Metadata["tokens"],
  keyslots: object,
): Record<string, LuksToken> {
  return Object.fromEntries(
    Object.entries(tokens).flatMap(([id, token]) => {
      const left = token.keyslots.filter((slot) => Object.hasOwn(keyslots, slot));
      if (left.length === token.keyslots.length) return [[id, token]];
      if (left.length === 0 && token.type === chatelaineTokenType) return [];
      return [[id, { ...token, keyslots: left }]];
    }),
  );
}

function withTokens(
  operation: string,
  carried: Record<string, LuksToken>,
  more: readonly LuksToken[],
): Record<string, LuksToken> {
  const all = { ...carried };
  for (const token of more) {
    const id = firstFree(all);
    if (id === undefined) {
      throw new LuksError("no_space", `${operation} tokens: more than ${maxEntries}`);
    }
    all[id] = token;
  }
  return all;
}
