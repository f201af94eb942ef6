import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import type { Uuid } from "@chatelaine/luks";
import { map, unmap } from "../host/mapping.ts";
import { type MappingName, mappingName } from "../host/safe-text.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import type { TrustOptions } from "../record/trusted-volume.ts";
import { unlockVolume } from "../volume/verify-volume.ts";

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
 * The disk's header is read once: cryptsetup gets a header of ours with what was checked in it.
 *
 * Needs root, and the Debian package cryptsetup-bin.
 *
 * @param name of the mapping: letters, digits and `#+.:=@_-`, at most 127; default `chatelaine-` and the volume's id
 * @throws `missing_key`, `wrong_key`, `integrity`, `untrusted`, `unsupported`, `tool_failed`
 */
export async function openVolume(
  context: VolumeContext,
  path: string,
  name?: string,
  options: TrustOptions = {},
): Promise<OpenedVolume> {
  refuseUnknownOptions("openVolume", options, ["keyId"]);
  const asked = name === undefined ? undefined : mappingName(name);
  const { volume, header, volumeKey } = await unlockVolume(context, path, options);
  try {
    const mapping = asked ?? volumeMapping(header.uuid);
    const device = await map(mapping, path, { type: "luks", header, volumeKey });
    return { id: volume.id, name: mapping, device };
  } finally {
    volumeKey.destroy();
  }
}

/**
 * Takes a mapping away. Closing what is not open is no error. If a cryptsetup was killed while
 * it re-encrypted the volume, what waits to read or write there fails now.
 *
 * @returns whether it was open
 * @throws `busy` while it is in use, or a cryptsetup re-encrypts it
 */
export async function closeVolume(name: string): Promise<boolean> {
  return unmap(mappingName(name));
}

/** What a volume's mapping is called if nobody says otherwise. */
export function volumeMapping(uuid: Uuid): MappingName {
  return mappingName(`chatelaine-${uuid}`);
}
