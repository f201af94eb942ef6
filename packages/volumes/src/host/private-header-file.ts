import { mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CheckedHeader, privateHeader, type VolumeKey } from "@chatelaine/luks";
import { VolumeError } from "../model/errors.ts";
import { type AbsolutePath, absolutePath } from "./safe-text.ts";

/** File systems in memory, where nothing is left behind by a loss of power; the types as of statfs(2). */
const memoryFolders = ["/run", "/dev/shm"];
const memoryTypes = [0x01021994, 0x858458f6];

/**
 * Lends a header file of our own for a disk's data, so that cryptsetup reads none from the disk. It is in memory, only
 * this user may read it, and what opens it is a random passphrase that exists only now.
 *
 * @throws `unsupported` if there is no file system in memory
 */
export async function withPrivateHeader<T>(
  header: CheckedHeader,
  volumeKey: VolumeKey,
  use: (file: AbsolutePath, passphrase: Uint8Array) => Promise<T>,
): Promise<T> {
  const { bytes, passphrase } = await privateHeader(header, volumeKey);
  const folder = await mkdtemp(join(await memoryFolder(), "chatelaine-"));
  try {
    const file = absolutePath(join(folder, "header"));
    await writeFile(file, bytes, { mode: 0o600, flag: "wx" });
    return await use(file, passphrase);
  } finally {
    passphrase.fill(0);
    await rm(folder, { recursive: true, force: true });
  }
}

async function memoryFolder(): Promise<string> {
  for (const folder of memoryFolders) {
    const type = await statfs(folder).then(
      (status) => status.type,
      () => 0,
    );
    if (memoryTypes.includes(type)) return folder;
  }
  throw new VolumeError(
    "unsupported",
    `map: none of ${memoryFolders.join(", ")} is a file system in memory: mount a tmpfs on /run`,
  );
}
