import { hashNameOf } from "../crypto/hashes.ts";
import type { KdfLimits } from "../crypto/kdf.ts";
import { VolumeKey } from "../crypto/volume-key.ts";
import { type DeviceReference, withDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { CheckedDisk, NewKeyslot } from "../format/disk.ts";
import {
  type KeyslotPriority,
  type KeyslotSpec,
  priorityNumbers,
  requirePassphrase,
  settleKdf,
} from "../format/keyslot-spec.ts";
import { refuseUnknownOptions, requireInteger } from "../options.ts";
import { loadChecked, loadLuks2Disk } from "./load.ts";

/** Bounds for opening the slot that unlocks the key. */
export interface AddKeyslotOptions {
  /** What the header may make us spend on key derivation. */
  readonly limits?: KdfLimits;
}

/**
 * Adds a passphrase to a disk.
 *
 * @param authority a passphrase that opens the disk, or its volume key
 * @returns the new slot's number
 * @throws `wrong_passphrase` (also for a volume key of another disk), `slot_in_use`, `no_space`
 */
export async function addKeyslot(
  device: DeviceReference,
  authority: Uint8Array | VolumeKey,
  keyslot: KeyslotSpec,
  options: AddKeyslotOptions = {},
): Promise<number> {
  const operation = "add key slot";
  refuseUnknownOptions(operation, options, ["limits"]);
  return withDevice(operation, device, "write", async (opened) => {
    const disk = await loadChecked(operation, opened);
    const wanted = settle(operation, disk, keyslot);
    const { limits = {} } = options;
    if (authority instanceof VolumeKey) {
      return authority.use(async (key) => {
        if (!(await disk.isVolumeKey(key, limits))) {
          throw new LuksError(
            "wrong_passphrase",
            `${operation} ${opened.name}: not the volume key of this disk`,
          );
        }
        return disk.addSlot(operation, key, wanted);
      });
    }
    requirePassphrase(operation, authority);
    const { key } = await disk.unlock(operation, authority, undefined, limits);
    try {
      return await disk.addSlot(operation, key, wanted);
    } finally {
      key.fill(0);
    }
  });
}

/** Which slot, and bounds for opening it. */
export interface ChangePassphraseOptions {
  /** Change this slot. Default: the one that the old passphrase opens. */
  readonly slot?: number;
  readonly limits?: KdfLimits;
}

/**
 * Replaces the passphrase of a slot. The new one is durable before the old one is erased: at each moment
 * one of them opens the disk.
 *
 * @param by the new passphrase; its `slot` must not be given
 * @returns the number of the slot: the same in LUKS2, another in LUKS1, where a free slot is needed
 * @throws `wrong_passphrase`, `no_space`
 */
export async function changePassphrase(
  device: DeviceReference,
  old: Uint8Array,
  by: Omit<KeyslotSpec, "slot">,
  options: ChangePassphraseOptions = {},
): Promise<number> {
  const operation = "change passphrase";
  refuseUnknownOptions(operation, options, ["slot", "limits"]);
  requirePassphrase(operation, old);
  if ("slot" in by) {
    throw new LuksError("invalid_argument", `${operation} slot: is taken from the old slot`);
  }
  return withDevice(operation, device, "write", async (opened) => {
    const disk = await loadChecked(operation, opened);
    const wanted = settle(operation, disk, by);
    const { slot, key } = await disk.unlock(operation, old, options.slot, options.limits ?? {});
    try {
      return await disk.changeSlot(operation, key, slot, wanted);
    } finally {
      key.fill(0);
    }
  });
}

/**
 * Erases a key slot and its key material. Needs no passphrase.
 *
 * @throws `no_such_slot`; `last_slot` if no other slot can be opened: no option turns that off
 */
export async function killKeyslot(device: DeviceReference, slot: number): Promise<void> {
  const operation = "kill key slot";
  requireInteger(operation, "slot", slot, 0, 31);
  await withDevice(operation, device, "write", async (opened) => {
    await (await loadChecked(operation, opened)).killSlot(operation, slot);
  });
}

/** @throws `no_such_slot`; `unsupported` on LUKS1 */
export async function setKeyslotPriority(
  device: DeviceReference,
  slot: number,
  priority: KeyslotPriority,
): Promise<void> {
  const operation = "set key slot priority";
  if (!Object.hasOwn(priorityNumbers, priority)) {
    throw new LuksError(
      "invalid_argument",
      `${operation} priority: must be ignore, normal or prefer`,
    );
  }
  await withDevice(operation, device, "write", async (opened) => {
    const disk = await loadLuks2Disk(operation, opened);
    const { keyslots } = disk.raw.metadata;
    const keyslot = keyslots[slot];
    if (!keyslot) {
      throw new LuksError(
        "no_such_slot",
        `${operation} ${opened.name}: there is no key slot ${slot}`,
      );
    }
    const changed = { ...keyslot, priority: priorityNumbers[priority] };
    await disk.change(operation, { keyslots: { ...keyslots, [slot]: changed } });
  });
}

function settle(operation: string, disk: CheckedDisk, spec: KeyslotSpec): NewKeyslot {
  const { version } = disk.header;
  if (spec.slot !== undefined) {
    requireInteger(operation, "slot", spec.slot, 0, version === 1 ? 7 : 31);
  }
  if (version === 1 && spec.priority !== undefined) {
    throw new LuksError("unsupported", `${operation} priority: LUKS1 does not support it`);
  }
  const settled = settleKdf(operation, spec, disk.slowKdf);
  // A LUKS1 disk has one hash for everything: a default derivation follows it.
  const hash = hashNameOf(disk.header.digest.hash);
  const kdf =
    version === 1 && hash && !spec.kdf && settled.type === "pbkdf2"
      ? { ...settled, hash }
      : settled;
  return {
    passphrase: spec.passphrase,
    kdf,
    slot: spec.slot,
    priority: spec.priority && priorityNumbers[spec.priority],
  };
}
