import { refuseUnknownOptions } from "@chatelaine/keys";
import { type OpenDisk, withOpenDisk } from "@chatelaine/luks";
import { lendPassphrase } from "./passphrase.ts";
import type { TrustOptions } from "./trusted-volume.ts";
import { proveVolume } from "./verify-volume.ts";
import type { VolumeContext } from "./volume-context.ts";

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
  const { keyId } = await proveVolume(context, path, options);
  const key = await context.keyManager.get(context.caller, keyId);
  const lent = async (disk: OpenDisk) => {
    const result = await work(disk);
    if (access === "write") await disk.sync();
    return result;
  };
  return lendPassphrase(key, (passphrase) => withOpenDisk(path, passphrase, lent, { access }));
}
