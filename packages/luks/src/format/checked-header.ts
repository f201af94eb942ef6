import type { SegmentCipher } from "../crypto/cipher-table.ts";
import type { Uuid } from "../texts/uuid.ts";
import type { LuksHeader } from "./header.ts";

declare const checkedBrand: unique symbol;

/**
 * A header that passed every check of {@link checkHeader}, as it was read then. Only the validator makes one.
 *
 * It is a snapshot: a function that takes it reads no header from the device again, only key material, which the
 * volume key's digest in this snapshot proves. The disk has exactly one data segment.
 *
 * It still describes what the owner of the medium wrote: another valid header of the same disk passes, too.
 * `layoutOf` tells them apart.
 */
export interface CheckedHeader extends LuksHeader {
  readonly [checkedBrand]: true;
  readonly uuid: Uuid;
  readonly cipher: SegmentCipher;
  /** The only one. */
  readonly segment: CheckedSegment;
  /** The one digest that covers the segment. */
  readonly digest: CheckedDigest;
  /**
   * Slots that this library can open and that are bound to that digest, by number. No other slot opens the data, and
   * no other is handed to another program.
   */
  readonly waysIn: readonly number[];
  /** Persistent flags that change how the kernel maps the disk. Unknown flags are not in it. */
  readonly mappingFlags: readonly MappingFlag[];
  /** Of the device that the header was read from, in bytes. */
  readonly deviceBytes: number;
}

/** Where the data lies, and how it is encrypted. */
export interface CheckedSegment {
  /** In bytes, a multiple of 512. */
  readonly offset: number;
  /** In bytes, a multiple of the sector size; `dynamic` reaches to the end of the device. */
  readonly size: number | "dynamic";
  readonly cipher: SegmentCipher;
  /** 512, 1024, 2048 or 4096. */
  readonly sectorSize: number;
  /** In 512-byte sectors, a multiple of the sector size. */
  readonly ivTweak: number;
  /** The tag of dm-integrity under the encryption. Undefined on most disks. */
  readonly integrity: IntegrityType | undefined;
}

/** The tags of dm-integrity that are mapped, and the bits that each adds to the volume key. */
export const integrityKeyBits = { "hmac(sha256)": 256, "hmac(sha512)": 512 } as const;

/** A tag of dm-integrity that is mapped. */
export type IntegrityType = keyof typeof integrityKeyBits;

/** PBKDF2 over the volume key. */
export interface CheckedDigest {
  readonly number: number;
  readonly hash: string;
  readonly iterations: number;
  /** In hexadecimal. */
  readonly salt: string;
  /** In hexadecimal. */
  readonly value: string;
}

/** A persistent flag of a LUKS2 header, as cryptsetup names it. */
export type MappingFlag =
  | "allow-discards"
  | "same-cpu-crypt"
  | "submit-from-crypt-cpus"
  | "no-journal"
  | "no-read-workqueue"
  | "no-write-workqueue";

/** cryptsetup's persistent flags. It ignores others, as the validator does. */
export const mappingFlags: readonly MappingFlag[] = [
  "allow-discards",
  "same-cpu-crypt",
  "submit-from-crypt-cpus",
  "no-journal",
  "no-read-workqueue",
  "no-write-workqueue",
];

/** What a validator has proven; the brand comes from {@link sealHeader}. */
export type ProvenHeader = Omit<CheckedHeader, typeof checkedBrand>;
