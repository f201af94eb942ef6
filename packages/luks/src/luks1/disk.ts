import { randomFillSync } from "node:crypto";
import { isComputable } from "../crypto/cipher-spec.ts";
import { hashNameOf } from "../crypto/hashes.ts";
import { type KdfLimits, type KdfSpec, passphraseKdfLuks1 } from "../crypto/kdf.ts";
import type { BlockDevice } from "../device/device.ts";
import { requireNoForeignSignature } from "../device/foreign-signature.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import { cryptsetupAdvice } from "../format/cryptsetup-advice.ts";
import type { CheckedDisk, LuksDisk, NewKeyslot } from "../format/disk.ts";
import type { LuksHeader } from "../format/header.ts";
import { slotError } from "../format/slot-error.ts";
import { diskOf, sealHeader } from "../format/snapshot.ts";
import { shownText } from "../texts/plain-texts.ts";
import {
  descriptorOffset,
  type Luks1Header,
  type Luks1Keyslot,
  luks1HeaderBytes,
  parseLuks1,
  renderDescriptor,
} from "./binary-header.ts";
import { checkLuks1 } from "./check.ts";
import { materialBytes, meetsLuks1Digest, openLuks1, sealLuks1 } from "./keyslot.ts";

const sector = 512;

/** A LUKS1 disk as loaded: whether its header may be trusted is for `checked` to decide. */
export class Luks1Disk implements LuksDisk {
  readonly version = 1;
  readonly device: BlockDevice;
  readonly header: Luks1Header;
  readonly #bytes: Uint8Array;

  private constructor(device: BlockDevice, header: Luks1Header, bytes: Uint8Array) {
    this.device = device;
    this.header = header;
    this.#bytes = bytes;
  }

  /** @throws `corrupt_header`, `unsupported`; `ambiguous` if the device holds something else, too */
  static async load(operation: string, device: BlockDevice): Promise<Luks1Disk> {
    const bytes = new Uint8Array(luks1HeaderBytes);
    if (device.size < bytes.length) {
      throw new LuksError("corrupt_header", `${operation} ${device.name}: ends inside the header`);
    }
    await device.read(0, bytes);
    const header = parseLuks1(operation, device.name, bytes);
    const luks = `LUKS1 of UUID ${shownText(header.uuid)}`;
    await requireNoForeignSignature(operation, device, luks);
    if (device.size < areaEnd(header)) {
      throw new LuksError(
        "corrupt_header",
        `${operation} ${device.name}: ends inside the key slots`,
      );
    }
    return new Luks1Disk(device, header, bytes);
  }

  describe(): LuksHeader {
    const { header } = this;
    const cipher = `${header.cipherName}-${header.cipherMode}`;
    const bits = header.keyBytes * 8;
    const offset = header.payloadOffset * sector;
    const ignored = obstacleOf(header, cipher);
    const active = header.keyslots.map((keyslot, slot) => ({ ...keyslot, slot }));
    return {
      version: 1,
      uuid: header.uuid,
      label: "",
      subsystem: "",
      dataOffset: offset,
      cipher,
      volumeKeyBitLength: bits,
      sectorSize: sector,
      segments: [
        {
          type: "crypt",
          offset,
          size: "dynamic",
          cipher,
          sectorSize: sector,
          ivTweak: 0,
          hasIntegrity: false,
        },
      ],
      keyslots: active
        .filter((keyslot) => keyslot.active)
        .map((keyslot) => ({
          slot: keyslot.slot,
          type: "luks1",
          isBound: true,
          ignored,
          volumeKeyBitLength: bits,
          priority: "normal",
          kdf: kdfOf(header, keyslot.iterations),
          kdfType: "pbkdf2",
          areaCipher: cipher,
          areaKeyBitLength: bits,
          areaOffset: keyslot.materialOffset * sector,
          areaSize: materialBytes(header.keyBytes, keyslot.stripes),
          afStripes: keyslot.stripes,
          afHash: header.hash,
        })),
      digests: [
        {
          digest: 0,
          type: "pbkdf2",
          hash: header.hash,
          iterations: header.digestIterations,
          keyslots: active.filter((keyslot) => keyslot.active).map(({ slot }) => slot),
          segments: [0],
          fingerprint: Buffer.concat([header.digest, header.digestSalt]).toString("hex"),
        },
      ],
      tokens: [],
      flags: [],
      requirements: [],
      warnings: ignored === undefined ? [] : [`its key slots are ignored: ${ignored}`],
      sequence: 0,
      headerSize: luks1HeaderBytes,
      headerAreaBytes: offset || Math.ceil(areaEnd(header) / 4096) * 4096,
      copies: { primary: "ok" },
    };
  }

  checked(operation: string): CheckedHeader {
    const { header, device } = this;
    const proven = checkLuks1(operation, device.name, header, this.describe(), device.size);
    const bytes = this.#bytes;
    return sealHeader(
      proven,
      (checked) => (on) => new CheckedLuks1Disk(on, header, bytes, checked),
    );
  }
}

/** Where the last key slot ends, in bytes. */
function areaEnd({ keyslots, keyBytes }: Luks1Header): number {
  const ends = keyslots.map(
    ({ materialOffset, stripes }) => materialOffset * sector + materialBytes(keyBytes, stripes),
  );
  return Math.max(...ends);
}

/** A LUKS1 disk whose header was checked. The header has one copy, so each change is a sequence of writes inside one descriptor. */
export class CheckedLuks1Disk implements CheckedDisk {
  readonly slowKdf = passphraseKdfLuks1;
  readonly device: BlockDevice;
  readonly header: CheckedHeader;
  readonly #raw: Luks1Header;
  readonly #bytes: Uint8Array;

  constructor(device: BlockDevice, raw: Luks1Header, bytes: Uint8Array, header: CheckedHeader) {
    this.device = device;
    this.header = header;
    this.#raw = raw;
    this.#bytes = bytes;
  }

  async unlock(
    operation: string,
    passphrase: Uint8Array,
    slot: number | undefined,
    limits: KdfLimits,
  ): Promise<{ slot: number; key: Uint8Array }> {
    if (slot !== undefined) this.#active(operation, slot);
    const { cipher, volumeKeyBitLength, uuid } = this.header;
    if (!isComputable(cipher, volumeKeyBitLength)) {
      const advice = cryptsetupAdvice(this.device.name, 1, uuid);
      throw new LuksError(
        "unsupported",
        `${operation} ${this.device.name}: its cipher "${cipher}" is not supported${advice}`,
      );
    }
    let obstacle: LuksError | undefined;
    for (const [number, keyslot] of this.#raw.keyslots.entries()) {
      if (!keyslot.active || (slot !== undefined && slot !== number)) continue;
      try {
        const key = await openLuks1(this.device, this.#raw, keyslot, passphrase, limits);
        if (await this.isVolumeKey(key, limits)) return { slot: number, key };
        key.fill(0);
      } catch (error) {
        if (!(error instanceof LuksError) || error.code !== "too_costly") throw error;
        obstacle ??= slotError(operation, this.device.name, number, error);
      }
    }
    if (obstacle !== undefined) throw obstacle;
    throw new LuksError(
      "wrong_passphrase",
      `${operation} ${this.device.name}: no key slot opens with this passphrase`,
    );
  }

  isVolumeKey(key: Uint8Array, limits: KdfLimits): Promise<boolean> {
    return meetsLuks1Digest(key, this.#raw, limits);
  }

  async addSlot(operation: string, volumeKey: Uint8Array, wanted: NewKeyslot): Promise<number> {
    const slot = wanted.slot ?? this.#raw.keyslots.findIndex(({ active }) => !active);
    const keyslot = this.#raw.keyslots[slot];
    if (slot < 0) {
      throw new LuksError("no_space", `${operation} ${this.device.name}: all key slots are in use`);
    }
    if (!keyslot) {
      throw new LuksError("invalid_argument", `${operation} slot: must be from 0 to 7`);
    }
    if (keyslot.active) {
      throw new LuksError(
        "slot_in_use",
        `${operation} ${this.device.name}: key slot ${slot} is in use`,
      );
    }
    if (wanted.kdf.type !== "pbkdf2" || wanted.kdf.hash !== hashNameOf(this.#raw.hash)) {
      throw new LuksError(
        "unsupported",
        `${operation} ${this.device.name}: this LUKS1 disk supports only pbkdf2 with ${this.#raw.hash}`,
      );
    }
    const { iterations } = wanted.kdf;
    const sealed = await sealLuks1(this.#raw, keyslot, volumeKey, wanted.passphrase, iterations);
    await this.#requireUnchanged(operation);
    await this.device.write(keyslot.materialOffset * sector, sealed.material);
    await this.device.write(
      descriptorOffset(slot),
      renderDescriptor({ ...sealed.keyslot, active: false }),
    );
    await this.device.sync();
    await this.#switch(slot, sealed.keyslot);
    return slot;
  }

  /** The new passphrase goes into a free slot, because the old slot's area must survive a cut. */
  async changeSlot(
    operation: string,
    volumeKey: Uint8Array,
    slot: number,
    by: NewKeyslot,
  ): Promise<number> {
    this.#active(operation, slot);
    const added = await this.addSlot(operation, volumeKey, by);
    const now = (await Luks1Disk.load(operation, this.device)).checked(operation);
    await diskOf(operation, now, this.device).killSlot(operation, slot);
    return added;
  }

  async killSlot(operation: string, slot: number): Promise<void> {
    const keyslot = this.#active(operation, slot);
    if (this.#raw.keyslots.filter(({ active }) => active).length < 2) {
      throw new LuksError(
        "last_slot",
        `${operation} ${this.device.name}: key slot ${slot} is the last one`,
      );
    }
    await this.#requireUnchanged(operation);
    const dead = { ...keyslot, active: false, iterations: 0, salt: new Uint8Array(32) };
    await this.#switch(slot, dead);
    const material = new Uint8Array(materialBytes(this.#raw.keyBytes, keyslot.stripes));
    await this.device.write(keyslot.materialOffset * sector, randomFillSync(material));
    await this.device.write(descriptorOffset(slot), renderDescriptor(dead));
    await this.device.sync();
  }

  /** Four bytes inside one sector make a slot active or not. */
  async #switch(slot: number, keyslot: Luks1Keyslot): Promise<void> {
    await this.device.write(descriptorOffset(slot), renderDescriptor(keyslot).subarray(0, 4));
    await this.device.sync();
  }

  #active(operation: string, slot: number): Luks1Keyslot {
    const keyslot = this.#raw.keyslots[slot];
    if (keyslot?.active) return keyslot;
    throw new LuksError(
      "no_such_slot",
      `${operation} ${this.device.name}: there is no key slot ${slot}`,
    );
  }

  async #requireUnchanged(operation: string): Promise<void> {
    const now = new Uint8Array(this.#bytes.length);
    await this.device.read(0, now);
    if (Buffer.compare(now, this.#bytes) !== 0) {
      throw new LuksError(
        "changed",
        `${operation} ${this.device.name}: another process changed the header in the meantime: try again`,
      );
    }
  }
}

/** Why this library opens none of the slots, which have one hash and the cipher of the data; undefined if it can. */
function obstacleOf(header: Luks1Header, cipher: string): string | undefined {
  if (!hashNameOf(header.hash)) return `unsupported hash "${shownText(header.hash)}"`;
  if (isComputable(cipher, header.keyBytes * 8)) return undefined;
  return `unsupported cipher "${shownText(cipher)}" of ${header.keyBytes * 8} bits`;
}

function kdfOf(header: Luks1Header, iterations: number): KdfSpec | undefined {
  const hash = hashNameOf(header.hash);
  return hash && { type: "pbkdf2", hash, iterations };
}
