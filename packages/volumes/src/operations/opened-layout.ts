import { type CheckedHeader, checkHeader, layoutOf, testPassphrase } from "@chatelaine/luks";
import { VolumeError } from "../model/errors.ts";
import { describeChanges, layoutChanges, type VolumeLayout } from "../model/layout.ts";

/** What differs from a disk that has its own header. */
interface OpenedLayoutOptions {
  /** Of the disk, if `path` is a backup of its header. Default: of `path` itself. */
  readonly deviceBytes?: number;
  /** The key slot that must open. Default: any. */
  readonly slot?: number;
}

/**
 * The layout of a disk that a passphrase has been seen to open.
 *
 * @param expected what the operation asked for, or what must not have changed
 * @throws `integrity` if the disk says otherwise by now
 */
export async function openedLayout(
  path: string,
  passphrase: Uint8Array,
  expected: Partial<VolumeLayout> = {},
  { deviceBytes, slot }: OpenedLayoutOptions = {},
): Promise<VolumeLayout> {
  const header = await writtenHeader(path, expected, deviceBytes);
  await testPassphrase(path, passphrase, { header, ...(slot !== undefined && { slot }) });
  return layoutOf(header, deviceBytes);
}

/** The header of a disk, to be opened by it and by no other reading. @throws `integrity` as {@link openedLayout} */
export async function writtenHeader(
  path: string,
  expected: Partial<VolumeLayout> = {},
  deviceBytes?: number,
): Promise<CheckedHeader> {
  const header = await checkHeader(path);
  requireWritten(path, header, expected, deviceBytes);
  return header;
}

/** @throws `integrity` as {@link openedLayout} */
export function requireWritten(
  path: string,
  header: CheckedHeader,
  expected: Partial<VolumeLayout>,
  deviceBytes?: number,
): void {
  const changes = layoutChanges(expected, layoutOf(header, deviceBytes));
  if (changes.length === 0) return;
  throw new VolumeError(
    "integrity",
    `open ${path}: its header differs from what was written: ${describeChanges(changes)}`,
  );
}

/** What all that we format has in common. */
export const ownCipher = { cipher: "aes-xts-plain64", volumeKeyBitLength: 512 } as const;
