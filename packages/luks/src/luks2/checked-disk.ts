import { type KdfLimits, passphraseKdf } from "../crypto/kdf.ts";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import type { CheckedDisk, NewKeyslot } from "../format/disk.ts";
import type { BinaryHeader } from "./binary-header.ts";
import { meetsDigest } from "./digest.ts";
import { areaOf, eraseArea, freeArea } from "./key-area.ts";
import { keyslotAreaBytes, sealKeyslot } from "./keyslot.ts";
import type { Luks2Header } from "./load.ts";
import { type Luks2Digest, type Luks2Keyslot, type Luks2Metadata, maxEntries } from "./metadata.ts";
import { replaceHeader, requireUnchanged } from "./store.ts";
import { unlockLuks2 } from "./unlock.ts";

/**
 * A LUKS2 disk whose header was checked. Key material is durable before the header that names it, and erased after
 * the header forgot it.
 */
export class CheckedLuks2Disk implements CheckedDisk {
  readonly slowKdf = passphraseKdf;
  readonly device: BlockDevice;
  readonly header: CheckedHeader;
  /** As it is on disk: for writing what we do not understand back as it was. */
  readonly raw: Luks2Header;

  constructor(device: BlockDevice, raw: Luks2Header, header: CheckedHeader) {
    this.device = device;
    this.raw = raw;
    this.header = header;
  }

  unlock(
    operation: string,
    passphrase: Uint8Array,
    slot: number | undefined,
    limits: KdfLimits,
  ): Promise<{ slot: number; key: Uint8Array }> {
    const { device, raw, header } = this;
    return unlockLuks2(operation, device, raw, header, passphrase, slot, limits);
  }

  isVolumeKey(key: Uint8Array, limits: KdfLimits): Promise<boolean> {
    return meetsDigest(
      key,
      this.raw.metadata.digests[this.header.digest.number] as Luks2Digest,
      limits,
    );
  }

  async addSlot(operation: string, volumeKey: Uint8Array, wanted: NewKeyslot): Promise<number> {
    const { keyslots } = this.raw.metadata;
    const slot = wanted.slot ?? firstFree(keyslots);
    if (slot === undefined) {
      throw new LuksError("no_space", `${operation} ${this.device.name}: all key slots are in use`);
    }
    if (Object.hasOwn(keyslots, slot)) {
      throw new LuksError(
        "slot_in_use",
        `${operation} ${this.device.name}: key slot ${slot} is in use`,
      );
    }
    const digest = String(this.header.digest.number);
    const keyslot = await this.#writeMaterial(operation, volumeKey, wanted);
    await this.#replace(operation, {
      keyslots: { ...keyslots, [slot]: keyslot },
      digests: mapValues(this.raw.metadata.digests, (entry, id) =>
        id === digest ? { ...entry, keyslots: [...entry.keyslots, String(slot)] } : entry,
      ),
    });
    return slot;
  }

  /** The slot keeps its number, so that tokens stay right; its key material moves. */
  async changeSlot(
    operation: string,
    volumeKey: Uint8Array,
    slot: number,
    by: NewKeyslot,
  ): Promise<number> {
    const old = this.#slot(operation, slot);
    const keyslot = await this.#writeMaterial(operation, volumeKey, {
      ...by,
      priority: by.priority ?? old.priority,
    });
    const { keyslots } = this.raw.metadata;
    await this.#replace(operation, { keyslots: { ...keyslots, [slot]: keyslot } });
    await eraseArea(this.device, areaOf(old));
    return slot;
  }

  async killSlot(operation: string, slot: number): Promise<void> {
    const old = this.#slot(operation, slot);
    const others = Object.entries(this.raw.metadata.keyslots).filter(([id]) => id !== String(slot));
    // A slot that we cannot open, or that opens no data, is not a way in.
    if (!this.header.waysIn.some((other) => other !== slot)) {
      throw new LuksError(
        "last_slot",
        `${operation} ${this.device.name}: key slot ${slot} is the last one`,
      );
    }
    const without = <T extends { readonly keyslots: readonly string[] }>(entry: T): T => ({
      ...entry,
      keyslots: entry.keyslots.filter((id) => id !== String(slot)),
    });
    await this.#replace(operation, {
      keyslots: Object.fromEntries(others),
      digests: mapValues(this.raw.metadata.digests, without),
      tokens: mapValues(this.raw.metadata.tokens, without),
    });
    await eraseArea(this.device, areaOf(old));
  }

  /**
   * Writes other metadata or another label. What is not named stays byte for byte.
   *
   * @param texts JSON texts of objects that are new
   */
  async change(
    operation: string,
    metadata: Partial<Luks2Metadata>,
    binary: Partial<Pick<BinaryHeader, "label" | "subsystem" | "uuid">> = {},
    texts?: ReadonlyMap<unknown, string>,
  ): Promise<void> {
    await this.#replace(operation, metadata, binary, texts);
  }

  /** @throws `no_such_slot` */
  #slot(operation: string, slot: number): Luks2Keyslot {
    const keyslot = this.raw.metadata.keyslots[slot];
    if (keyslot) return keyslot;
    throw new LuksError(
      "no_such_slot",
      `${operation} ${this.device.name}: there is no key slot ${slot}`,
    );
  }

  /** Into a free area, durable, and read back, before any header names it. */
  async #writeMaterial(
    operation: string,
    volumeKey: Uint8Array,
    wanted: Omit<NewKeyslot, "slot">,
  ): Promise<Luks2Keyslot> {
    const size = keyslotAreaBytes(volumeKey.length);
    const area = freeArea(operation, this.device.name, this.raw, size);
    const { passphrase, kdf, priority } = wanted;
    const sealed = await sealKeyslot(volumeKey, passphrase, kdf, area.offset, priority);
    // Somebody else may have put a slot into the same area while the key was derived.
    await requireUnchanged(operation, this.device, this.raw);
    await this.device.write(area.offset, sealed.material);
    await this.device.sync();
    const stored = new Uint8Array(sealed.material.length);
    await this.device.read(area.offset, stored);
    if (Buffer.compare(stored, sealed.material) !== 0) {
      throw new LuksError(
        "io",
        `${operation} ${this.device.name}: reads back other bytes than written`,
      );
    }
    return sealed.keyslot;
  }

  async #replace(
    operation: string,
    metadata: Partial<Luks2Metadata>,
    binary: Partial<Pick<BinaryHeader, "label" | "subsystem" | "uuid">> = {},
    texts?: ReadonlyMap<unknown, string>,
  ): Promise<void> {
    const changed = { ...this.raw.metadata, ...metadata };
    await replaceHeader(operation, this.device, this.raw, changed, binary, texts);
  }
}

export function firstFree(entries: object): number | undefined {
  return Array.from({ length: maxEntries }, (_, number) => number).find(
    (number) => !Object.hasOwn(entries, number),
  );
}

function mapValues<T>(
  entries: Readonly<Record<string, T>>,
  change: (entry: T, id: string) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([id, entry]) => [id, change(entry, id)]));
}
