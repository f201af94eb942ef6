import { createHash } from "node:crypto";
import type { SegmentCipher } from "../crypto/cipher-table.ts";
import type { BlockDevice } from "../device/device.ts";
import { isSameDevice } from "../device/same-device.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "./checked-header.ts";

/**
 * What must stay the same for a disk to show the same data: compare each field with what was noted before.
 *
 * Key slots, tokens, label, subsystem, UUID and flags are not in it: they may change without a change of the data.
 */
export interface Layout {
  readonly format: "luks1" | "luks2";
  readonly cipher: SegmentCipher;
  /** Of the volume key. */
  readonly volumeKeyBitLength: number;
  readonly sectorSize: number;
  /** Where the data begins, in bytes. */
  readonly dataOffset: number;
  /**
   * Of the plaintext, in bytes, as it is mapped on this device. A header with a dynamic size (every ordinary one)
   * takes all of the device, so `lvextend` makes it larger and `lvreduce` smaller.
   */
  readonly size: number;
  /**
   * SHA-256, in lower-case hexadecimal, over the data segment as the header has it (where a dynamic size is
   * `dynamic`, whatever the device's size) and over the volume key's digest: salt, hash, iterations, value. Another
   * volume key, cipher, offset or IV tweak gives another digest; `lvextend` does not.
   */
  readonly digest: string;
}

/**
 * The layout of a disk.
 *
 * @param deviceBytes of the device with the data; default: of the device that the header was read from
 * @throws `too_small` if the data does not fit the device; `unsupported` for a detached header without `deviceBytes`
 */
export function layoutOf(header: CheckedHeader, deviceBytes?: number): Layout {
  const { segment, digest, version } = header;
  if (deviceBytes === undefined) requireAttached("read layout", header);
  const { offset, size, cipher, sectorSize, ivTweak, integrity } = segment;
  const { hash, iterations, salt, value } = digest;
  const encoded = JSON.stringify([
    "chatelaine layout 1",
    version,
    [[offset, size, cipher, sectorSize, ivTweak, integrity ?? null]],
    [hash, iterations, salt, value],
  ]);
  return {
    format: version === 1 ? "luks1" : "luks2",
    cipher,
    volumeKeyBitLength: header.volumeKeyBitLength,
    sectorSize,
    dataOffset: offset,
    size: dataSize("read layout", header, deviceBytes ?? header.deviceBytes),
    digest: createHash("sha256").update(encoded).digest("hex"),
  };
}

/**
 * Bytes of data behind a header on a device of so many bytes.
 *
 * @param name of the device, for messages. Default: the header's UUID
 * @throws `too_small` if the data does not fit, or there is not one sector of it
 */
export function dataSize(
  operation: string,
  header: CheckedHeader,
  deviceBytes: number,
  name: string = header.uuid,
): number {
  const { offset, size, sectorSize } = header.segment;
  const room = deviceBytes - offset;
  const bytes = size === "dynamic" ? room - (room % sectorSize) : size;
  if (room >= bytes && bytes > 0) return bytes;
  throw new LuksError("too_small", `${operation} ${name}: the device ends before its data`);
}

/**
 * Refuses a detached header, named as such or not, if its own device is to give the data.
 *
 * @throws `unsupported`
 */
export function requireDataApart(
  operation: string,
  header: CheckedHeader,
  headerDevice: BlockDevice,
  dataDevice: BlockDevice,
): void {
  if (isSameDevice(headerDevice, dataDevice)) requireAttached(operation, header, dataDevice.name);
}

/**
 * Refuses a detached header where header and data would be one device: the data would lie over the header.
 *
 * @param name of the device, for messages. Default: the header's UUID
 * @throws `unsupported`
 */
export function requireAttached(
  operation: string,
  header: CheckedHeader,
  name: string = header.uuid,
): void {
  if (header.dataOffset >= header.headerAreaBytes) return;
  throw new LuksError(
    "unsupported",
    `${operation} ${name}: it is a detached header, whose data is on another device`,
  );
}
