import { randomFillSync } from "node:crypto";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import {
  descriptorOffset,
  type Luks1Keyslot,
  luks1HeaderBytes,
  luks1Slots,
  renderDescriptor,
  renderLuks1,
} from "./binary-header.ts";
import type { Luks1Disk } from "./disk.ts";
import { materialBytes } from "./keyslot.ts";

const sector = 512;

/**
 * Writes a saved header over the present one, slot by slot. A slot is written while it is inactive and another opens:
 * where it is the only one, its saved content opens in a free slot meanwhile, since key material is not bound to its
 * place. After a cut the disk opens with a saved passphrase or one of the present, and the restoration can be repeated.
 *
 * @param present undefined if the device has no readable header: then the magic is written last
 * @throws `wrong_disk` if the slots are not laid out alike
 */
export async function restoreLuks1(
  operation: string,
  saved: Luks1Disk,
  target: BlockDevice,
  present: Luks1Disk | undefined,
): Promise<void> {
  if (!present) return writeAnew(saved, target);
  requireSameLayout(operation, saved, present);
  const slots = await Promise.all(
    saved.header.keyslots.map((keyslot) => contentOf(saved, keyslot)),
  );
  const now = [...present.header.keyslots];
  const replace = async (place: number, content: Content) => {
    now[place] = await putSlot(target, place, now[place] as Luks1Keyslot, content);
  };
  // Slots that are free first: from then on there is another that opens.
  const inOrder = [...slots.keys()].toSorted((a, b) => activity(now[a]) - activity(now[b]));
  for (const place of inOrder) {
    const content = slots[place] as Content;
    if (!content.keyslot.active || (await holds(target, now[place] as Luks1Keyslot, content))) {
      continue;
    }
    const isOnly = !now.some(({ active }, slot) => active && slot !== place);
    if (isOnly) await replace((place + 1) % luks1Slots, content);
    await replace(place, content);
  }
  for (const [place, content] of slots.entries()) {
    if (!content.keyslot.active) await replace(place, content);
  }
}

/** A slot's descriptor, and its key material if it is active. */
interface Content {
  readonly keyslot: Luks1Keyslot;
  readonly material: Uint8Array;
}

async function contentOf(disk: Luks1Disk, keyslot: Luks1Keyslot): Promise<Content> {
  const material = new Uint8Array(materialBytes(disk.header.keyBytes, keyslot.stripes));
  if (keyslot.active) await disk.device.read(keyslot.materialOffset * sector, material);
  return { keyslot, material };
}

/** Off, changed, on again: each step durable before the next. Of a slot that stays off, the material is erased. */
async function putSlot(
  device: BlockDevice,
  place: number,
  now: Luks1Keyslot,
  { keyslot, material }: Content,
): Promise<Luks1Keyslot> {
  const { materialOffset } = now;
  if (!now.active && !keyslot.active) {
    await write(device, descriptorOffset(place), renderDescriptor(keyslot));
    return keyslot;
  }
  const off = { ...keyslot, materialOffset, active: false };
  await write(device, descriptorOffset(place), renderDescriptor(off).subarray(0, 4));
  const content = keyslot.active ? material : randomFillSync(new Uint8Array(material.length));
  await write(device, materialOffset * sector, content);
  await write(device, descriptorOffset(place), renderDescriptor(off));
  if (!keyslot.active) return off;
  const on = { ...off, active: true };
  await write(device, descriptorOffset(place), renderDescriptor(on).subarray(0, 4));
  return on;
}

async function holds(device: BlockDevice, now: Luks1Keyslot, content: Content): Promise<boolean> {
  if (Buffer.compare(renderDescriptor(now), renderDescriptor(content.keyslot)) !== 0) return false;
  const material = new Uint8Array(content.material.length);
  await device.read(now.materialOffset * sector, material);
  return Buffer.compare(material, content.material) === 0;
}

function activity(keyslot: Luks1Keyslot | undefined): number {
  return keyslot?.active ? 1 : 0;
}

function requireSameLayout(operation: string, saved: Luks1Disk, present: Luks1Disk): void {
  const isSame =
    layoutOf(saved) === layoutOf(present) &&
    saved.header.hash === present.header.hash &&
    saved.header.digestIterations === present.header.digestIterations;
  if (isSame) return;
  throw new LuksError(
    "wrong_disk",
    `${operation} ${present.device.name}: the backup's key slots are laid out otherwise`,
  );
}

function layoutOf({ header }: Luks1Disk): string {
  return header.keyslots
    .map(({ materialOffset, stripes }) => `${materialOffset}+${stripes}`)
    .join();
}

async function writeAnew(saved: Luks1Disk, target: BlockDevice): Promise<void> {
  for (const keyslot of saved.header.keyslots) {
    const { material } = await contentOf(saved, keyslot);
    if (keyslot.active) await target.write(keyslot.materialOffset * sector, material);
  }
  const header = renderLuks1(saved.header).subarray(0, luks1HeaderBytes);
  await write(target, 8, header.subarray(8));
  await write(target, 0, header.subarray(0, 8));
}

async function write(device: BlockDevice, offset: number, bytes: Uint8Array): Promise<void> {
  await device.write(offset, bytes);
  await device.sync();
}
