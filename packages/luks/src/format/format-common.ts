import type { VolumeKey } from "../crypto/volume-key.ts";
import { requireBlank } from "../device/blank-check.ts";
import { type BlockDevice, type DeviceReference, withDevice } from "../device/device.ts";
import { isSameDevice } from "../device/same-device.ts";
import { LuksError } from "../errors.ts";
import { parseUuid, type Uuid } from "../texts/uuid.ts";

/** What a formatted disk turned out to be. */
export interface Formatted {
  readonly uuid: string;
  /** In the order of `keyslots`. */
  readonly slots: readonly number[];
  /** In bytes. */
  readonly dataOffset: number;
  /** Only if asked for. */
  readonly volumeKey?: VolumeKey;
}

/** Where a format may write, and what it may destroy. */
export interface FormatPlace {
  /** The header's end, in bytes. */
  readonly headerEnd: number;
  readonly dataOffset: number;
  readonly sectorSize: number;
  readonly detachedFrom: DeviceReference | undefined;
  readonly allowDestroyingData: readonly string[];
}

/**
 * Opens a device for formatting, once it is big enough, of whole sectors, and blank (or may be made so).
 *
 * @throws `too_small`, `holds_data`, `busy`; `invalid_argument` also if header and data would be one device
 */
export async function withBlankDevice<T>(
  operation: string,
  device: DeviceReference,
  place: FormatPlace,
  write: (header: BlockDevice) => Promise<T>,
): Promise<T> {
  const { detachedFrom, allowDestroyingData } = place;
  return withDevice(operation, device, "exclusive", async (header) => {
    if (detachedFrom === undefined) requireRoom(operation, header, place);
    else {
      await withDevice(operation, detachedFrom, "exclusive", async (data) => {
        if (isSameDevice(header, data)) {
          const reason = "is the device of the header itself";
          throw new LuksError("invalid_argument", `${operation} detachedFrom: ${reason}`);
        }
        requireRoom(operation, data, place);
        await data.requireUnused?.();
        await requireBlank(operation, data, 0, allowDestroyingData);
      });
    }
    await requireBlank(operation, header, place.headerEnd, allowDestroyingData);
    return write(header);
  });
}

/** In lower case, as libuuid and every other tool write it. @throws `invalid_argument` */
export function requireUuid(operation: string, text: string): Uuid {
  const uuid = parseUuid(text.toLowerCase());
  if (uuid) return uuid;
  throw new LuksError("invalid_argument", `${operation} uuid: is not a UUID`);
}

/** A label or subsystem. @throws `invalid_argument` */
export function requireName(operation: string, name: string, text: string): string {
  if (typeof text === "string" && Buffer.byteLength(text) <= 47 && !/\p{Cc}/u.test(text)) {
    return text;
  }
  throw new LuksError(
    "invalid_argument",
    `${operation} ${name}: must be at most 47 bytes without control characters`,
  );
}

/**
 * The kernel does not map a disk whose last sector is cut off, and cryptsetup does not create one. What a file has behind its last 512 bytes
 * is never mapped, and may be there.
 */
function requireRoom(
  operation: string,
  { name, size }: BlockDevice,
  { dataOffset, sectorSize }: FormatPlace,
): void {
  const needed = dataOffset + sectorSize;
  if (size < needed) {
    throw new LuksError(
      "too_small",
      `${operation} ${name}: ${size} bytes, needs ${needed} at least`,
    );
  }
  const rest = sectorSize > 512 ? (size - dataOffset) % sectorSize : 0;
  if (rest === 0) return;
  throw new LuksError(
    "invalid_argument",
    `${operation} ${name}: the ${size - dataOffset} bytes for its data are not a multiple of ${sectorSize}, so the kernel would not open it: use another sector size, or make it ${sectorSize - rest} bytes larger or ${rest} smaller`,
  );
}
