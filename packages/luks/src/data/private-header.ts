import { randomBytes } from "node:crypto";
import { minimalKdf } from "../crypto/kdf.ts";
import type { VolumeKey } from "../crypto/volume-key.ts";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import { luks1HeaderBytes, luks1Slots, renderLuks1 } from "../luks1/binary-header.ts";
import { luks1Digest, materialBytes, sealLuks1 } from "../luks1/keyslot.ts";
import { binaryHeaderBytes } from "../luks2/binary-header.ts";
import { makeDigest } from "../luks2/digest.ts";
import { keyslotAreaBytes, sealKeyslot } from "../luks2/keyslot.ts";
import type { Luks2Metadata } from "../luks2/metadata.ts";
import { writeCopies } from "../luks2/store.ts";

/** A detached header for another program, which then needs to read none from the disk. */
export interface PrivateHeader {
  /** The header with its only key slot, number 0. */
  readonly bytes: Uint8Array;
  /** Opens that slot, and nothing else. Zero it after use. */
  readonly passphrase: Uint8Array;
}

const operation = "write private header";

/**
 * Writes a header of the same version that maps a disk's data, of what was checked and proven alone: UUID, cipher,
 * offset, size, IV tweak, known flags, and the volume key behind a random passphrase. No text, key slot, digest or
 * token of the disk's own header is in it.
 *
 * @param volumeKey what `unlock` returned with that header
 */
export async function privateHeader(
  header: CheckedHeader,
  volumeKey: VolumeKey,
): Promise<PrivateHeader> {
  if (volumeKey.bitLength !== header.volumeKeyBitLength) {
    throw new LuksError(
      "invalid_argument",
      `${operation} ${header.uuid}: not the volume key of this disk`,
    );
  }
  const passphrase = Uint8Array.from(randomBytes(32));
  const write = header.version === 1 ? writeLuks1 : writeLuks2;
  return { bytes: await volumeKey.use((key) => write(header, key, passphrase)), passphrase };
}

async function writeLuks2(
  header: CheckedHeader,
  volumeKey: Uint8Array,
  passphrase: Uint8Array,
): Promise<Uint8Array> {
  const { uuid, segment, mappingFlags } = header;
  const headerSize = 0x4000;
  const start = 2 * headerSize;
  const keyslotsSize = keyslotAreaBytes(volumeKey.length);
  const device = memory(uuid, start + keyslotsSize);
  const { keyslot, material } = await sealKeyslot(volumeKey, passphrase, minimalKdf, start);
  await device.write(start, material);
  const metadata: Luks2Metadata = {
    keyslots: { "0": keyslot },
    tokens: {},
    segments: {
      "0": {
        type: "crypt",
        offset: String(segment.offset),
        size: String(segment.size),
        iv_tweak: String(segment.ivTweak),
        encryption: segment.cipher,
        sector_size: segment.sectorSize,
        ...(segment.integrity !== undefined && {
          integrity: {
            type: segment.integrity,
            journal_encryption: "none",
            journal_integrity: "none",
          },
        }),
      },
    },
    // cryptsetup names the key in the kernel's keyring by the digest's number, and knows the mapping again by that.
    digests: { [header.digest.number]: await makeDigest(volumeKey, ["0"], ["0"]) },
    config: {
      json_size: String(headerSize - binaryHeaderBytes),
      keyslots_size: String(keyslotsSize),
      ...(mappingFlags.length > 0 && { flags: mappingFlags }),
    },
  };
  const names = { uuid, label: "", subsystem: "" };
  const binary = { headerSize, sequence: 1, checksumAlgorithm: "sha256", ...names } as const;
  await writeCopies(operation, device, binary, metadata);
  return device.bytes;
}

async function writeLuks1(
  header: CheckedHeader,
  volumeKey: Uint8Array,
  passphrase: Uint8Array,
): Promise<Uint8Array> {
  const { uuid, segment } = header;
  const dash = segment.cipher.indexOf("-");
  const [first, stripes, sector] = [4096, 4000, 512];
  const areaBytes = Math.ceil(materialBytes(volumeKey.length, stripes) / 4096) * 4096;
  const salt = Uint8Array.from(randomBytes(32));
  const empty = {
    cipherName: segment.cipher.slice(0, dash),
    cipherMode: segment.cipher.slice(dash + 1),
    hash: "sha256",
    payloadOffset: segment.offset / sector,
    keyBytes: volumeKey.length,
    digest: await luks1Digest(volumeKey, "sha256", salt, 1000),
    digestSalt: salt,
    digestIterations: 1000,
    uuid,
    keyslots: Array.from({ length: luks1Slots }, (_, slot) => ({
      active: false,
      iterations: 0,
      salt: new Uint8Array(32),
      materialOffset: (first + slot * areaBytes) / sector,
      stripes,
    })),
  } as const;
  const [slot, ...others] = empty.keyslots;
  if (slot === undefined) throw new LuksError("invalid_argument", operation);
  const sealed = await sealLuks1(empty, slot, volumeKey, passphrase, 1000);
  const bytes = new Uint8Array(first + luks1Slots * areaBytes);
  bytes.set(
    renderLuks1({ ...empty, keyslots: [sealed.keyslot, ...others] }).subarray(0, luks1HeaderBytes),
  );
  bytes.set(sealed.material, first);
  return bytes;
}

function memory(name: string, size: number): BlockDevice & { readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(size);
  return {
    name,
    size,
    bytes,
    read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
    write: async (offset, data) => bytes.set(data, offset),
    sync: () => Promise.resolve(),
  };
}
