import { createHash } from "node:crypto";
import { minimalKdf } from "../src/crypto/kdf.ts";
import { type DeviceReference, withDevice } from "../src/device/device.ts";
import { binaryHeaderBytes } from "../src/luks2/binary-header.ts";
import { makeDigest } from "../src/luks2/digest.ts";
import { sealKeyslot } from "../src/luks2/keyslot.ts";
import type { AnyMetadata } from "./hostile-disk.ts";

const checksumAt = 448;
const labelAt = 24;

/** The JSON text of a LUKS2 header, byte for byte. @throws if its copies have different texts */
export async function headerText(device: DeviceReference): Promise<string> {
  return withDevice("test", device, "read", async (opened) => {
    const size = await headerSizeOf(opened);
    const [primary, secondary] = await Promise.all(
      [0, size].map(async (offset) => {
        const area = Buffer.alloc(size - binaryHeaderBytes);
        await opened.read(offset + binaryHeaderBytes, area);
        return area.toString("utf8", 0, area.indexOf(0));
      }),
    );
    if (primary === undefined || primary !== secondary) throw new Error("the copies differ");
    return primary;
  });
}

/** Writes another JSON text into both copies, with valid checksums, as another program does. */
export async function sayInHeader(
  device: DeviceReference,
  change: (json: string) => string,
  label?: Uint8Array,
): Promise<void> {
  const text = Buffer.from(change(await headerText(device)));
  await withDevice("test", device, "write", async (opened) => {
    const size = await headerSizeOf(opened);
    for (const offset of [0, size]) {
      const copy = Buffer.alloc(size);
      await opened.read(offset, copy);
      copy.fill(0, binaryHeaderBytes).set(text, binaryHeaderBytes);
      if (label) copy.fill(0, labelAt, labelAt + 48).set(label, labelAt);
      copy.fill(0, checksumAt, checksumAt + 64);
      createHash("sha256").update(copy).digest().copy(copy, checksumAt);
      await opened.write(offset, copy);
    }
  });
}

/**
 * Adds a slot with a key and a digest of its own, as `cryptsetup luksAddKey --unbound` does.
 *
 * @returns its number
 */
export async function addUnboundSlot(
  device: DeviceReference,
  passphrase: Uint8Array,
  key: Uint8Array = Buffer.alloc(64, "unbound"),
): Promise<number> {
  const metadata: AnyMetadata = JSON.parse(await headerText(device));
  const slot = Object.keys(metadata.keyslots).length;
  const ends = Object.values(metadata.keyslots).map(
    ({ area }: AnyMetadata) => Number(area.offset) + Number(area.size),
  );
  const { keyslot, material } = await sealKeyslot(key, passphrase, minimalKdf, Math.max(...ends));
  metadata.keyslots[slot] = keyslot;
  metadata.digests[Object.keys(metadata.digests).length] = await makeDigest(key, [`${slot}`], []);
  await withDevice("test", device, "write", (opened) =>
    opened.write(Number(keyslot.area.offset), material),
  );
  await sayInHeader(device, () => JSON.stringify(metadata));
  return slot;
}

/** The key material of a slot, by what the header says. */
export async function materialOf(device: DeviceReference, slot: number): Promise<Buffer> {
  const metadata: AnyMetadata = JSON.parse(await headerText(device));
  const { offset, size } = metadata.keyslots[slot].area;
  return withDevice("test", device, "read", async (opened) => {
    const material = Buffer.alloc(Number(size));
    await opened.read(Number(offset), material);
    return material;
  });
}

async function headerSizeOf(device: {
  read(offset: number, into: Uint8Array): Promise<void>;
}): Promise<number> {
  const start = Buffer.alloc(16);
  await device.read(0, start);
  return Number(start.readBigUInt64BE(8));
}
