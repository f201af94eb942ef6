import { renderHeader } from "../src/luks2/binary-header.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { loadLuks2 } from "../src/luks2/load.ts";
import { MemoryDevice } from "./memory-device.ts";
import { mebibyte, passphrase } from "./scratch.ts";

/** A JSON area that a test changes at will. */
// oxlint-disable-next-line typescript/no-explicit-any -- The point is to say what no type allows.
export type AnyMetadata = any;

/** Opens every disk of this file. */
export const owner = { passphrase: passphrase("key of sixteen bytes"), entropyBits: 128 };

/** What the binary part says, besides its size and checksum. */
export interface BinaryTexts {
  readonly uuid?: string;
  readonly label?: string;
  readonly subsystem?: string;
}

/**
 * A LUKS2 disk whose header somebody changed who can write the medium and knows no key: both copies have the same
 * JSON and valid checksums.
 */
export async function hostileDisk(
  change: (metadata: AnyMetadata) => void,
  texts: BinaryTexts = {},
): Promise<MemoryDevice> {
  const disk = new MemoryDevice(new Uint8Array(2 * mebibyte));
  await formatLuks2(disk, { keyslots: [owner], dataOffset: mebibyte });
  await changeMetadata(disk, change, texts);
  return disk;
}

/** Writes both copies again, with valid checksums. */
export async function changeMetadata(
  disk: MemoryDevice,
  change: (metadata: AnyMetadata) => void,
  texts: BinaryTexts = {},
): Promise<void> {
  const { binary, metadata } = await loadLuks2("test", disk);
  const changed: AnyMetadata = structuredClone(metadata);
  change(changed);
  const json = Buffer.from(JSON.stringify(changed));
  for (const offset of [0, binary.headerSize]) {
    disk.bytes.set(renderHeader({ ...binary, ...texts, offset }, json), offset);
  }
}
