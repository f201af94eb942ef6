import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { type OpenDisk, withOpenDisk } from "@chatelaine/luks";
import type { VolumeContext } from "../model/volume-context.ts";
import type { TrustOptions } from "../record/trusted-volume.ts";
import { unlockVolume } from "../volume/verify-volume.ts";

/**
 * Lends a volume's plaintext to `work`: random access and streams, in this process
 * alone, without root and without a kernel mapping. What was written is durable
 * when this resolves.
 *
 * @param access default `read`; `write` excludes every other opener of the disk
 * @throws `missing_key`, `wrong_key`, `not_a_volume`, `integrity`, `untrusted`, or a LuksError
 */
export async function withVolumeData<T>(
  context: VolumeContext,
  path: string,
  work: (disk: OpenDisk) => Promise<T>,
  access: "read" | "write" = "read",
  options: TrustOptions = {},
): Promise<T> {
  refuseUnknownOptions("withVolumeData", options, ["keyId"]);
  const { header, volumeKey } = await unlockVolume(context, path, options);
  const lent = async (disk: OpenDisk) => {
    const result = await work(disk);
    if (access === "write") await disk.sync();
    return result;
  };
  try {
    return await withOpenDisk(path, volumeKey, lent, { access, checked: header });
  } finally {
    volumeKey.destroy();
  }
}
