import type { Caller, KeyManager, ObjectId } from "@chatelaine/keys/interface";

/** Where keys come from, and on whose behalf. */
export interface KeySource {
  readonly keyManager: KeyManager;
  readonly caller: Caller;
  /**
   * Ids of users, of any project, who may read each key that is made: services that
   * must open a disk without its owner's token, such as after a reboot or on another
   * host. Default none. A key that the user brought is the user's to grant.
   */
  readonly readers?: readonly string[] | undefined;
}

/** A disk and the key that opens it: the ledger's, or else the one that the disk itself names. */
export interface Volume {
  /** Also the UUID of the LUKS header. */
  readonly id: string;
  /** Of the file or block device. */
  readonly path: string;
  /** The key manager's object whose hexadecimal text is the passphrase. */
  readonly keyId: ObjectId;
  /** The key slots that it opens. */
  readonly slots: readonly number[];
  /** dm-crypt's name, such as `aes-xts-plain64`. */
  readonly cipher: string;
  readonly volumeKeyBitLength: number;
  readonly sectorSize: number;
  /** Where the data begins, in bytes. */
  readonly dataOffset: number;
  readonly label: string;
}
