import type { StoredObject } from "@chatelaine/keys/interface";
import { checkHeader, type Uuid } from "@chatelaine/luks";
import { locationOf } from "../disk/location.ts";
import { fetchKey } from "../key/fetch-key.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import type { TrustOptions } from "../record/trusted-volume.ts";
import { proveVolume } from "../volume/verify-volume.ts";

/** How QEMU is to be given the disk. */
export interface QemuDiskOptions extends TrustOptions {
  /** The file descriptor on which QEMU will find the passphrase: a pipe's, for it cannot open a socket. Default 3. */
  readonly descriptor?: number | undefined;
  /** Default false. */
  readonly readOnly?: boolean | undefined;
}

/** How QEMU, or qemu-storage-daemon, is told to open a volume by itself. */
export interface QemuDisk {
  /** `-object secret…` and `-blockdev driver=luks…`. No secret is in them: the passphrase comes on a pipe. */
  readonly arguments: readonly string[];
  /** What `-device …,drive=` or `--export …,node-name=` refers to. */
  readonly nodeName: string;
  /** Lends what must be written to the descriptor, and be all that comes there. */
  lendPassphrase<T>(use: (passphrase: Uint8Array) => Promise<T>): Promise<T>;
}

/**
 * Presents a volume to QEMU's own LUKS driver: no mapping, no root. QEMU reads the
 * header again, by itself: it knows no null cipher, and in LUKS1 another cipher would not
 * open the key slot. QEMU reads LUKS1 only (https://www.qemu.org/docs/master/system/secrets.html, block layer
 * documentation): make the volume with `format: "luks1"`.
 *
 * @throws `unsupported` for LUKS2; `missing_key`, `wrong_key`, `integrity`, `untrusted`
 */
export async function qemuDisk(
  context: VolumeContext,
  path: string,
  options: QemuDiskOptions = {},
): Promise<QemuDisk> {
  const { descriptor = 3, readOnly = false, keyId } = options;
  const { id, key } = await keyForQemu(context, path, { keyId });
  // QEMU's names have 31 characters at most.
  const nodeName = `luks-${id.replaceAll("-", "").slice(0, 26)}`;
  const secret = `secret-${id}`;
  const file = { driver: "file", filename: await locationOf(path) };
  const node = {
    driver: "luks",
    "node-name": nodeName,
    "key-secret": secret,
    "read-only": readOnly,
    file,
  };
  return {
    // As JSON, in which a comma in a path is just a comma.
    arguments: [
      "--object",
      JSON.stringify({ "qom-type": "secret", id: secret, file: `/dev/fd/${descriptor}` }),
      "--blockdev",
      JSON.stringify(node),
    ],
    nodeName,
    lendPassphrase: (use) => lendPassphrase(key, use),
  };
}

/**
 * The key of a volume that QEMU can read by itself, proven to open it.
 *
 * @throws as {@link qemuDisk}
 */
export async function keyForQemu(
  context: VolumeContext,
  path: string,
  options: TrustOptions,
): Promise<{ readonly id: Uuid; readonly key: StoredObject }> {
  const { version, uuid } = await checkHeader(path);
  if (version !== 1) {
    throw new VolumeError(
      "unsupported",
      `present ${path}: QEMU reads LUKS1 only, and this is LUKS2: open it with the kernel`,
    );
  }
  const { id, keyId } = await proveVolume(context, path, options);
  if (id !== uuid) {
    throw new VolumeError("mismatch", `present ${path}: it is another volume than a moment ago`);
  }
  return { id: uuid, key: await fetchKey(context, keyId, `present ${path}`) };
}
