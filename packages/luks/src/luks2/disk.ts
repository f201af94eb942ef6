import { randomFillSync } from "node:crypto";
import type { BlockDevice } from "../device.ts";
import type { LuksDisk, NewKeyslot } from "../disk.ts";
import { LuksError } from "../errors.ts";
import type { LuksHeader } from "../header.ts";
import { isHashName, type KdfLimits, passphraseKdf } from "../kdf.ts";
import type { BinaryHeader } from "./binary-header.ts";
import { describeLuks2 } from "./describe.ts";
import { digestOfKeyslot, meetsDigest } from "./digest.ts";
import { type Area, areaOf, freeArea } from "./key-area.ts";
import { keyslotAreaBytes, parseKdf, sealKeyslot } from "./keyslot.ts";
import { type Luks2Header, loadLuks2 } from "./load.ts";
import { type Luks2Keyslot, type Luks2Metadata, maxEntries } from "./metadata.ts";
import { replaceHeader } from "./store.ts";
import { unlockLuks2 } from "./unlock.ts";
import { requireUsable } from "./usable.ts";

/** A LUKS2 disk. Key material is durable before the header that names it, and erased after the header forgot it. */
export class Luks2Disk implements LuksDisk {
  readonly version = 2;
  readonly slowKdf = passphraseKdf;
  readonly device: BlockDevice;
  readonly header: Luks2Header;

  constructor(device: BlockDevice, header: Luks2Header) {
    this.device = device;
    this.header = header;
  }

  static async load(operation: string, device: BlockDevice): Promise<Luks2Disk> {
    return new Luks2Disk(device, await loadLuks2(operation, device));
  }

  describe(): LuksHeader {
    return describeLuks2(this.header);
  }

  requireUsable(operation: string): void {
    requireUsable(operation, this.device.name, this.header);
  }

  unlock(
    operation: string,
    passphrase: Uint8Array,
    slot: number | undefined,
    limits: KdfLimits,
  ): Promise<{ slot: number; key: Uint8Array }> {
    return unlockLuks2(operation, this.device, this.header, passphrase, slot, limits);
  }

  async isVolumeKey(key: Uint8Array, limits: KdfLimits): Promise<boolean> {
    return (await this.#digestFor(key, limits)) !== undefined;
  }

  async addSlot(operation: string, volumeKey: Uint8Array, wanted: NewKeyslot): Promise<number> {
    const { keyslots } = this.header.metadata;
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
    const digest = await this.#digestFor(volumeKey, {});
    if (digest === undefined) {
      throw new LuksError(
        "unsupported",
        `${operation} ${this.device.name}: no digest proves the key`,
      );
    }
    const keyslot = await this.#writeMaterial(operation, volumeKey, wanted);
    await this.#replace(operation, {
      keyslots: { ...keyslots, [slot]: keyslot },
      digests: mapValues(this.header.metadata.digests, (entry, id) =>
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
    const { keyslots } = this.header.metadata;
    await this.#replace(operation, { keyslots: { ...keyslots, [slot]: keyslot } });
    await this.#erase(areaOf(old));
    return slot;
  }

  async killSlot(operation: string, slot: number): Promise<void> {
    const old = this.#slot(operation, slot);
    const others = Object.entries(this.header.metadata.keyslots).filter(
      ([id]) => id !== String(slot),
    );
    if (!others.some(([id, keyslot]) => this.#isUsable(id, keyslot))) {
      throw new LuksError(
        "last_slot",
        `${operation} ${this.device.name}: key slot ${slot} is the last`,
      );
    }
    const without = <T extends { readonly keyslots: readonly string[] }>(entry: T): T => ({
      ...entry,
      keyslots: entry.keyslots.filter((id) => id !== String(slot)),
    });
    await this.#replace(operation, {
      keyslots: Object.fromEntries(others),
      digests: mapValues(this.header.metadata.digests, without),
      tokens: mapValues(this.header.metadata.tokens, without),
    });
    await this.#erase(areaOf(old));
  }

  /** Writes other metadata or another label. */
  async change(
    operation: string,
    metadata: Partial<Luks2Metadata>,
    binary: Partial<Pick<BinaryHeader, "label" | "subsystem" | "uuid">> = {},
  ): Promise<void> {
    await this.#replace(operation, metadata, binary);
  }

  /** @throws `no_such_slot` */
  #slot(operation: string, slot: number): Luks2Keyslot {
    const keyslot = this.header.metadata.keyslots[slot];
    if (keyslot) return keyslot;
    throw new LuksError(
      "no_such_slot",
      `${operation} ${this.device.name}: there is no key slot ${slot}`,
    );
  }

  #isUsable(id: string, keyslot: Luks2Keyslot): boolean {
    return (
      keyslot.type === "luks2" &&
      parseKdf(keyslot) !== undefined &&
      isHashName(digestOfKeyslot(this.header.metadata, id)?.[1].hash)
    );
  }

  async #digestFor(key: Uint8Array, limits: KdfLimits): Promise<string | undefined> {
    for (const [id, digest] of Object.entries(this.header.metadata.digests)) {
      if (digest.type !== "pbkdf2" || !isHashName(digest.hash)) continue;
      if (digest.segments.length === 0) continue;
      if (await meetsDigest(key, digest, limits)) return id;
    }
    return undefined;
  }

  /** Into a free area, durable, and read back, before any header names it. */
  async #writeMaterial(
    operation: string,
    volumeKey: Uint8Array,
    wanted: Omit<NewKeyslot, "slot">,
  ): Promise<Luks2Keyslot> {
    const size = keyslotAreaBytes(volumeKey.length);
    const area = freeArea(operation, this.device.name, this.header, size);
    const { passphrase, kdf, priority } = wanted;
    const sealed = await sealKeyslot(volumeKey, passphrase, kdf, area.offset, priority);
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
  ): Promise<void> {
    const changed = { ...this.header.metadata, ...metadata };
    await replaceHeader(operation, this.device, this.header, changed, binary);
  }

  async #erase(area: Area): Promise<void> {
    await this.device.write(area.offset, randomFillSync(new Uint8Array(area.size)));
    await this.device.sync();
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
