import { open } from "node:fs/promises";
import type { VolumeKey } from "../crypto/volume-key.ts";
import { type BlockDevice, withOpenFile } from "../device/device.ts";
import { markBytes } from "../device/in-place-mark.ts";
import { LuksError } from "../errors.ts";
import {
  type FormatLuks1Options,
  type Luks1Plan,
  planFormatLuks1,
  writeFormatLuks1,
} from "../luks1/format.ts";
import {
  type FormatLuks2Options,
  type FormatPlan,
  planFormat,
  writeFormat,
} from "../luks2/format.ts";

/** How an image's LUKS header is made: as `formatLuks1` and `formatLuks2` have it, but for where. */
export type ImageFormat =
  | ({ readonly version: 1 } & Omit<FormatLuks1Options, NotForImages>)
  | ({ readonly version: 2 } & Omit<FormatLuks2Options, NotForImages>);

/** What makes sense for a device only. */
export type NotForImages =
  | "detachedFrom"
  | "allowDestroyingData"
  | "returnVolumeKey"
  | "reuseVolumeKey";

export type HeaderPlan = Luks1Plan | FormatPlan;

/** Checks the options of a header to be. @throws `invalid_argument` */
export function planHeader(operation: string, format: ImageFormat): HeaderPlan {
  const { version, ...options } = format;
  for (const name of ["detachedFrom", "allowDestroyingData", "returnVolumeKey", "reuseVolumeKey"]) {
    if (name in options)
      throw new LuksError("invalid_argument", `${operation} ${name}: is not supported for images`);
  }
  if (version === 1) {
    return planFormatLuks1({ ...(options as FormatLuks1Options), returnVolumeKey: true });
  }
  if (version === 2)
    return planFormat({ ...(options as FormatLuks2Options), returnVolumeKey: true });
  throw new LuksError("invalid_argument", `${operation} version: must be 1 or 2`);
}

/** Writes a planned header to the beginning of `device`. @returns the volume key, to be destroyed by the caller */
export async function writeHeader(device: BlockDevice, plan: HeaderPlan): Promise<VolumeKey> {
  const { volumeKey } = await ("header" in plan
    ? writeFormatLuks1(device, plan)
    : writeFormat(device, plan));
  return volumeKey as VolumeKey;
}

/** Writes a planned header into a new file of its own. */
export async function writeHeaderFile(
  operation: string,
  path: string,
  plan: HeaderPlan,
): Promise<VolumeKey> {
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.truncate(plan.headerEnd);
    return await withOpenFile(operation, path, handle, (device) => writeHeader(device, plan));
  } finally {
    await handle.close();
  }
}

/** Copies a header area to the beginning of an image, and zeroes from its end up to `upTo`. Can be repeated. */
export async function installHeader(
  header: BlockDevice,
  image: BlockDevice,
  upTo: number,
): Promise<void> {
  const chunkBytes = 1024 * 1024;
  // From the end to the beginning, so that the magic comes last.
  const chunks = Math.ceil(upTo / chunkBytes);
  for (let index = chunks - 1; index >= 0; index--) {
    const offset = index * chunkBytes;
    const chunk = new Uint8Array(Math.min(chunkBytes, upTo - offset));
    const length = Math.max(0, Math.min(chunk.length, header.size - offset));
    if (length > 0) await header.read(offset, chunk.subarray(0, length));
    // Most of it is zeroes before and after, and may be holes.
    const present = new Uint8Array(chunk.length);
    await image.read(offset, present);
    if (Buffer.compare(present, chunk) === 0) continue;
    const first = index === 0 ? markBytes : 0;
    await image.write(offset + first, chunk.subarray(first));
    if (index > 0) continue;
    await image.sync();
    await image.write(0, chunk.subarray(0, first));
  }
  await image.sync();
}
