import {
  fieldBytes,
  type Luks2Draft,
  renderLuks2,
  type Write,
} from "../../packages/luks/test/hostile/luks2-draft.ts";
import { type Disk, passphrase } from "./image.ts";
import { derive, hashLength, noise, sealedMaterial } from "./seal.ts";

/** What a valid LUKS2 disk is to be like. Each default is an ordinary value, as small as it may be. */
export interface Luks2Plan {
  /** Of one copy. Default 16 KiB. */
  readonly headerSize?: number;
  /** Default: all up to the data. */
  readonly keyslotsSize?: number;
  /** Default: 1 MiB, and more for larger headers. 0 is a detached header. */
  readonly dataOffset?: number;
  /** Default: 1 MiB more than the data offset. */
  readonly diskBytes?: number;
  readonly cipher?: string;
  /** Of the volume key. Default 32. */
  readonly keyBytes?: number;
  readonly sectorSize?: number;
  /** Default: one. */
  readonly slots?: readonly SlotPlan[];
  readonly digest?: DigestPlan;
}

export interface SlotPlan {
  readonly number?: number;
  readonly passphrase?: Uint8Array;
  /** Of PBKDF2. Default sha256. */
  readonly hash?: string;
  readonly iterations?: number;
  readonly saltBytes?: number;
  readonly afHash?: string;
  readonly areaCipher?: string;
  readonly areaKeyBytes?: number;
  readonly priority?: number;
  /** It locks a key of so many bytes that is not the volume's, with a digest that covers no segment. */
  readonly unboundKeyBytes?: number;
}

export interface DigestPlan {
  readonly hash?: string;
  readonly iterations?: number;
  readonly saltBytes?: number;
  /** Of the digest. Default: as many as the hash has. */
  readonly length?: number;
}

export interface HonestLuks2 {
  readonly draft: Luks2Draft;
  readonly headerSize: number;
  readonly diskBytes: number;
}

const mebibyte = 1 << 20;

/** A valid disk, from the LUKS2 On-Disk Format 1.1, sections 2 and 3, alone. The same plan gives the same bytes. */
export function honestLuks2(plan: Luks2Plan = {}): HonestLuks2 {
  const { headerSize = 0x4000, keyBytes = 32, slots = [{}] } = plan;
  const areaStart = 2 * headerSize;
  const dataOffset = plan.dataOffset ?? areaStart + mebibyte - 0x8000;
  const keyslotsSize = plan.keyslotsSize ?? (dataOffset || areaStart + mebibyte) - areaStart;
  const volumeKey = noise("volume key", keyBytes);
  const writes: Write[] = [];
  const keyslots: Record<string, unknown> = {};
  const digest = digestOf(volumeKey, ["0"], plan.digest);
  const digests: Record<string, unknown> = { "0": digest };
  let offset = areaStart;
  for (const [index, slot] of slots.entries()) {
    const number = String(slot.number ?? index);
    const { unboundKeyBytes } = slot;
    const key = unboundKeyBytes === undefined ? volumeKey : noise(`key ${number}`, unboundKeyBytes);
    const made = keyslotOf(number, key, slot, offset);
    keyslots[number] = made.keyslot;
    writes.push({ offset, bytes: made.material });
    offset += made.areaBytes;
    const its = unboundKeyBytes === undefined ? digest : digestOf(key, [], plan.digest);
    if (its !== digest) digests[String(index + 1)] = its;
    its.keyslots.push(number);
  }
  const json = {
    keyslots,
    tokens: {
      "0": {
        type: "chatelaine",
        keyslots: slots.length === 0 ? [] : [String(slots[0]?.number ?? 0)],
        object: "0f0e0d0c-0b0a-4908-8706-050403020100",
        created: "2026-01-01T00:00:00.000Z",
      },
    },
    segments: {
      "0": {
        type: "crypt",
        offset: String(dataOffset),
        size: "dynamic",
        iv_tweak: "0",
        encryption: plan.cipher ?? "aes-xts-plain64",
        sector_size: plan.sectorSize ?? 512,
      },
    },
    digests,
    config: { json_size: String(headerSize - 4096), keyslots_size: String(keyslotsSize) },
  };
  const draft: Luks2Draft = {
    binary: {
      version: 2,
      headerSize: BigInt(headerSize),
      sequence: 5n,
      headerOffset: undefined,
      label: fieldBytes("", 48),
      checksumAlgorithm: fieldBytes("sha256", 32),
      salt: noise("header salt", 64),
      uuid: fieldBytes("1b4e28ba-2fa1-41d2-883f-0016d3cca427", 40),
      subsystem: fieldBytes("", 48),
      padding: new Uint8Array(184),
    },
    json,
    text: undefined,
    tail: new Uint8Array(),
    writes,
  };
  const least = Math.max(dataOffset, areaStart + keyslotsSize);
  return { draft, headerSize, diskBytes: plan.diskBytes ?? least + mebibyte };
}

/** Both copies say what the draft says. */
export function luks2Disk({ draft, headerSize, diskBytes }: HonestLuks2): Disk {
  const copies = [0, headerSize].map((offset) => ({
    offset,
    bytes: renderLuks2(draft, offset, headerSize),
  }));
  return { bytes: diskBytes, writes: [...draft.writes, ...copies] };
}

function keyslotOf(number: string, key: Uint8Array, plan: SlotPlan, offset: number) {
  const { hash = "sha256", iterations = 1000, saltBytes = 32, afHash = "sha256" } = plan;
  const { areaCipher = "aes-xts-plain64", areaKeyBytes = 32 } = plan;
  const salt = noise(`slot salt ${number}`, saltBytes);
  const material = sealedMaterial(key, {
    passphrase: plan.passphrase ?? passphrase,
    salt,
    hash,
    iterations,
    afHash,
    cipher: areaCipher,
    cipherKeyBytes: areaKeyBytes,
  });
  const areaBytes = Math.ceil(material.length / 4096) * 4096;
  const keyslot = {
    type: "luks2",
    key_size: key.length,
    af: { type: "luks1", stripes: 4000, hash: afHash },
    area: {
      type: "raw",
      offset: String(offset),
      size: String(areaBytes),
      encryption: areaCipher,
      key_size: areaKeyBytes,
    },
    kdf: { type: "pbkdf2", hash, iterations, salt: salt.toString("base64") },
    ...(plan.priority === undefined ? {} : { priority: plan.priority }),
  };
  return { keyslot, material, areaBytes };
}

function digestOf(key: Uint8Array, segments: readonly string[], plan: DigestPlan = {}) {
  const { hash = "sha256", iterations = 1000, saltBytes = 32 } = plan;
  const length = plan.length ?? hashLength(hash);
  const salt = noise("digest salt", saltBytes);
  return {
    type: "pbkdf2",
    keyslots: [] as string[],
    segments,
    hash,
    iterations,
    salt: salt.toString("base64"),
    digest: derive(key, { salt, hash, iterations }, length).toString("base64"),
  };
}
