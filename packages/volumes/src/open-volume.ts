import { refuseUnknownOptions } from "@chatelaine/keys";
import { map, unmap } from "./host/mapping.ts";
import type { TrustOptions } from "./trusted-volume.ts";
import { withProvenPassphrase } from "./verify-volume.ts";
import type { Volume } from "./volume.ts";
import type { VolumeContext } from "./volume-context.ts";

/** A volume whose plaintext the kernel shows as a block device. */
export interface OpenedVolume {
  readonly id: string;
  readonly name: string;
  /** `/dev/mapper/NAME` */
  readonly device: string;
}

/**
 * Maps a volume's plaintext with the kernel's dm-crypt, by cryptsetup, to which the
 * key goes through a pipe. Opening what is open is no error.
 *
 * Needs root, and the Debian package cryptsetup-bin.
 *
 * @param name of the mapping; default `chatelaine-` and the volume's id
 * @throws `missing_key`, `wrong_key`, `integrity`, `untrusted`, `unsupported`, `tool_failed`
 */
export async function openVolume(
  context: VolumeContext,
  path: string,
  name?: string,
  options: TrustOptions = {},
): Promise<OpenedVolume> {
  refuseUnknownOptions("openVolume", options, ["keyId"]);
  const use = async ({ id }: Volume, passphrase: Uint8Array): Promise<OpenedVolume> => {
    const mapping = name ?? `chatelaine-${id}`;
    return { id, name: mapping, device: await map(mapping, path, passphrase) };
  };
  return withProvenPassphrase(context, path, use, options);
}

/**
 * Takes a mapping away. Closing what is closed is no error. If a cryptsetup was killed while
 * it re-encrypted the volume, what waits to read or write there fails now.
 *
 * @throws `busy` while it is in use, or a cryptsetup re-encrypts it
 */
export async function closeVolume(name: string): Promise<void> {
  await unmap(name);
}
