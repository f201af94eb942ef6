import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader, ProvenHeader } from "./checked-header.ts";
import type { CheckedDisk } from "./disk.ts";

type OnDevice = (device: BlockDevice) => CheckedDisk;

const snapshots = new WeakMap<CheckedHeader, OnDevice>();

/** For the validators only. @param onDevice gives what acts on a device by this very header */
export function sealHeader(
  proven: ProvenHeader,
  onDevice: (header: CheckedHeader) => OnDevice,
): CheckedHeader {
  const header = Object.freeze(proven) as CheckedHeader;
  snapshots.set(header, onDevice(header));
  return header;
}

/**
 * What acts on a device by a header that was checked before.
 *
 * @throws `invalid_argument` for an object that the validator has not made
 */
export function diskOf(operation: string, header: CheckedHeader, device: BlockDevice): CheckedDisk {
  const onDevice = snapshots.get(header);
  if (onDevice) return onDevice(device);
  throw new LuksError("invalid_argument", `${operation} header: was not created by checkHeader`);
}
