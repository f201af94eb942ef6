import type { KdfLimits, KdfSpec } from "../crypto/kdf.ts";
import type { CheckedHeader } from "./checked-header.ts";
import type { LuksHeader } from "./header.ts";

/** A key slot to write, its derivation settled. */
export interface NewKeyslot {
  readonly passphrase: Uint8Array;
  readonly kdf: KdfSpec;
  /** Undefined: the lowest free number. */
  readonly slot: number | undefined;
  /** 0 to 2; undefined is normal. LUKS1 has none. */
  readonly priority: number | undefined;
}

/**
 * A LUKS header of either version on an open device, as loaded and not trusted: it can be described, and no more.
 */
export interface LuksDisk {
  readonly version: 1 | 2;
  describe(): LuksHeader;
  /** @throws `untrusted_header`, `unsupported`, `in_reencryption` */
  checked(operation: string): CheckedHeader;
}

/**
 * A LUKS disk whose header was checked: what both versions can do.
 *
 * It reflects the header as it was checked. Each change is durable when its promise resolves, leaves a header that
 * opens wherever it is interrupted, and fails with `changed` if another process wrote the header in between.
 */
export interface CheckedDisk {
  readonly header: CheckedHeader;
  /** What a slot for a typed passphrase gets. */
  readonly slowKdf: KdfSpec;
  /**
   * @returns the volume key's bytes, to be zeroed by the caller
   * @throws `wrong_passphrase`; `no_such_slot`, also for a slot that does not open the data; `too_costly`,
   *   `unsupported`
   */
  unlock(
    operation: string,
    passphrase: Uint8Array,
    slot: number | undefined,
    limits: KdfLimits,
  ): Promise<{ readonly slot: number; readonly key: Uint8Array }>;
  /** True if `key` is this disk's volume key. */
  isVolumeKey(key: Uint8Array, limits: KdfLimits): Promise<boolean>;
  /** @throws `slot_in_use`, `no_space` */
  addSlot(operation: string, volumeKey: Uint8Array, slot: NewKeyslot): Promise<number>;
  /** Puts another passphrase in place of a slot's. @returns the number under which it is now */
  changeSlot(
    operation: string,
    volumeKey: Uint8Array,
    slot: number,
    by: NewKeyslot,
  ): Promise<number>;
  /** @throws `no_such_slot`, `last_slot` */
  killSlot(operation: string, slot: number): Promise<void>;
}
