import { checkHeader, layoutOf, testPassphrase } from "@chatelaine/luks";
import { VolumeError } from "../errors.ts";
import { describeChanges, layoutChanges, type VolumeLayout } from "../layout.ts";

/**
 * The layout of a disk that a passphrase has been seen to open.
 *
 * @param expected what the operation asked for, or what must not have changed
 * @param deviceBytes of the disk, if `path` is a backup of its header; default: of `path` itself
 * @throws `integrity` if the disk says otherwise by now
 */
export async function openedLayout(
  path: string,
  passphrase: Uint8Array,
  expected: Partial<VolumeLayout> = {},
  deviceBytes?: number,
): Promise<VolumeLayout> {
  const header = await checkHeader(path);
  const layout = layoutOf(header, deviceBytes);
  await testPassphrase(path, passphrase, { header });
  const changes = layoutChanges({ ...layout, ...expected }, layout);
  if (changes.length === 0) return layout;
  throw new VolumeError(
    "integrity",
    `open ${path}: its header is not as it was written: ${describeChanges(changes)}`,
  );
}

/** What all that we format has in common. */
export const ownCipher = { cipher: "aes-xts-plain64", volumeKeyBitLength: 512 } as const;
