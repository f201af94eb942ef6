import type { Luks1Draft } from "../../packages/luks/test/hostile/luks1.ts";
import type { Write } from "../../packages/luks/test/hostile/luks2-draft.ts";
import { type Disk, passphrase } from "./image.ts";
import { derive, noise, sealedMaterial } from "./seal.ts";

/** What a valid LUKS1 disk is to be like. */
export interface Luks1Plan {
  /** Such as `aes-xts-plain64`. */
  readonly cipher?: string;
  /** Of the volume key. Default 32. */
  readonly keyBytes?: number;
  readonly hash?: string;
  readonly iterations?: number;
  /** Numbers of the active slots. Default 0. */
  readonly active?: readonly number[];
  /** In sectors; 0 with a detached header. Default 2 MiB. */
  readonly payloadOffset?: number;
}

const sector = 512;
const alignment = 8;

/** A valid disk, from the LUKS1 On-Disk Format 1.2.3, section 3.1 and 4.1, alone. The same plan gives the same bytes. */
export function honestLuks1(plan: Luks1Plan = {}): Luks1Draft {
  const { cipher = "aes-xts-plain64", keyBytes = 32, hash = "sha256", iterations = 1000 } = plan;
  const { active = [0], payloadOffset = 4096 } = plan;
  const [name = "", ...mode] = cipher.split("-");
  const key = noise("volume key", keyBytes);
  const digestSalt = noise("digest salt", 32);
  const bytes = Buffer.alloc(592);
  const writes: Write[] = [];
  bytes.write("4c554b53babe0001", "hex");
  bytes.write(name, 8);
  bytes.write(mode.join("-"), 40);
  bytes.write(hash, 72);
  bytes.writeUInt32BE(payloadOffset, 104);
  bytes.writeUInt32BE(keyBytes, 108);
  derive(key, { salt: digestSalt, hash, iterations }, 20).copy(bytes, 112);
  digestSalt.copy(bytes, 132);
  bytes.writeUInt32BE(iterations, 164);
  bytes.write("1b4e28ba-2fa1-41d2-883f-0016d3cca427", 168);
  const areaSectors = Math.ceil((keyBytes * 4000) / sector / alignment) * alignment;
  for (let slot = 0; slot < 8; slot++) {
    const [at, materialOffset] = [208 + 48 * slot, alignment + slot * areaSectors];
    const isActive = active.includes(slot);
    bytes.writeUInt32BE(isActive ? 0x00ac71f3 : 0x0000dead, at);
    bytes.writeUInt32BE(materialOffset, at + 40);
    bytes.writeUInt32BE(4000, at + 44);
    if (!isActive) continue;
    const salt = noise(`slot salt ${slot}`, 32);
    bytes.writeUInt32BE(iterations, at + 4);
    salt.copy(bytes, at + 8);
    const lock = {
      passphrase,
      salt,
      hash,
      iterations,
      afHash: hash,
      cipher,
      cipherKeyBytes: keyBytes,
    };
    writes.push({ offset: materialOffset * sector, bytes: sealedMaterial(key, lock) });
  }
  return { bytes, writes };
}

/** @param bytes of the whole disk; default: 1 MiB behind an ordinary payload offset */
export function luks1Disk({ bytes: header, writes }: Luks1Draft, bytes: number = 3 << 20): Disk {
  return { bytes, writes: [...writes, { offset: 0, bytes: header }] };
}
