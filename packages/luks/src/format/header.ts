import type { KdfSpec } from "../crypto/kdf.ts";
import type { KeyslotPriority } from "./keyslot-spec.ts";
import type { LuksToken } from "./luks-token.ts";

/** What a LUKS header of either version says, without secrets. */
export interface LuksHeader {
  readonly version: 1 | 2;
  readonly uuid: string;
  /** Empty in LUKS1. */
  readonly label: string;
  /** Empty in LUKS1. */
  readonly subsystem: string;
  /** Of the first segment, in bytes; 0 with a detached header. */
  readonly dataOffset: number;
  /** dm-crypt's name, such as `aes-xts-plain64`. */
  readonly cipher: string;
  readonly volumeKeyBitLength: number;
  readonly sectorSize: number;
  readonly segments: readonly SegmentInfo[];
  /** By number. */
  readonly keyslots: readonly KeyslotInfo[];
  readonly digests: readonly DigestInfo[];
  /** By number. Empty in LUKS1. */
  readonly tokens: readonly TokenEntry[];
  /** LUKS2 flags that tell how the disk is to be opened, such as `allow-discards`. */
  readonly flags: readonly string[];
  /** What a program must understand to touch this disk, such as `online-reencrypt-v2`. */
  readonly requirements: readonly string[];
  /** What this library cannot use and leaves as it is, one sentence each, such as a key slot of an unknown kind. */
  readonly warnings: readonly string[];
  /** Grows with each write of a LUKS2 header; 0 in LUKS1. */
  readonly sequence: number;
  /** What the header and all key slots take, in bytes; a backup has this length. */
  readonly headerAreaBytes: number;
  /** Of one LUKS2 header copy, in bytes; in LUKS1 the 592 bytes of its only one. */
  readonly headerSize: number;
  /** The state of the LUKS2 header copies. LUKS1 has only one. */
  readonly copies: { readonly primary: CopyState; readonly secondary?: CopyState };
}

/** `stale`: intact, but older than the other copy, because a write was cut short. */
export type CopyState = "ok" | "stale" | "damaged";

/** A stretch of the device, and how it is encrypted. */
export interface SegmentInfo {
  /** `crypt`, or `linear` in the middle of a re-encryption. */
  readonly type: string;
  /** In bytes. */
  readonly offset: number;
  /** In bytes; `dynamic` reaches to the end of the device. */
  readonly size: number | "dynamic";
  readonly cipher: string;
  readonly sectorSize: number;
  /** Added to each sector's number. */
  readonly ivTweak: number;
  /** Whether dm-integrity lies under the encryption, which only the kernel can read. */
  readonly hasIntegrity: boolean;
}

/** A key slot, without the key material in it. */
export interface KeyslotInfo {
  readonly slot: number;
  /** `luks1`, `luks2`, or a type that we do not know, such as `reencrypt`. */
  readonly type: string;
  readonly volumeKeyBitLength: number;
  readonly priority: KeyslotPriority;
  /**
   * Whether it holds the key of the data. A slot that is not bound holds another key, which a user stores there: its
   * passphrase does not open the disk.
   */
  readonly isBound: boolean;
  /** Why this library does not open the slot, and leaves it as it is; undefined if it can open it. */
  readonly ignored: string | undefined;
  /** Undefined if we do not know the derivation. */
  readonly kdf: KdfSpec | undefined;
  /** The derivation's name as the header spells it, known or not. */
  readonly kdfType: string;
  /** What encrypts the key material. */
  readonly areaCipher: string;
  readonly areaKeyBitLength: number;
  /** In bytes. */
  readonly areaOffset: number;
  readonly areaSize: number;
  readonly afStripes: number;
  readonly afHash: string;
}

/** What proves that an opened volume key is the right one. */
export interface DigestInfo {
  readonly digest: number;
  readonly type: string;
  readonly hash: string;
  readonly iterations: number;
  readonly keyslots: readonly number[];
  readonly segments: readonly number[];
  /** The digest and its salt, in hexadecimal: the same in two headers if their volume keys are. */
  readonly fingerprint: string;
}

/** A token and its number. */
export interface TokenEntry {
  readonly id: number;
  readonly token: LuksToken;
}
