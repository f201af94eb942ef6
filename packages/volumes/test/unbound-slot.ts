import { open, rm, truncate, writeFile } from "node:fs/promises";
import { formatLuks2 } from "@chatelaine/luks";
import { forge, type Metadata } from "./forge.ts";

/** Where the key material of slot 1 lies in the disks that we make: behind that of slot 0. */
const areaOffset = 32_768 + 258_048;
const areaBytes = 258_048;

/**
 * Adds slot 1 to a LUKS2 disk that has slot 0 only, with a key and a digest of its own, as
 * `cryptsetup luksAddKey --unbound` does.
 */
export async function addUnboundSlot(path: string, passphrase: Uint8Array): Promise<void> {
  const other = `${path}.other`;
  await writeFile(other, "");
  await truncate(other, 17 * 1024 * 1024);
  await formatLuks2(other, { keyslots: [{ passphrase, entropyBits: 128 }] });
  let unbound: Metadata | undefined;
  await forge(other, (metadata) => {
    unbound = structuredClone(metadata);
  });
  const [from, to] = [await open(other, "r"), await open(path, "r+")];
  const material = Buffer.alloc(areaBytes);
  await from.read(material, 0, areaBytes, 32_768);
  await to.write(material, 0, areaBytes, areaOffset);
  await Promise.all([from.close(), to.close()]);
  await rm(other);
  await forge(path, (metadata) => {
    const [slot, digest] = [unbound?.keyslots["0"], unbound?.digests["0"]];
    const area = { ...(slot?.["area"] as object), offset: String(areaOffset) };
    metadata.keyslots["1"] = { ...slot, area };
    metadata.digests["1"] = { ...digest, keyslots: ["1"], segments: [] };
  });
}
