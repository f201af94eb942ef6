import type { BlockDevice } from "./device.ts";
import { inPlaceMagic } from "./in-place-mark.ts";

/** One pattern that says what a device holds. Sources: libblkid's probers' documentation and each format's own. */
interface Signature {
  readonly kind: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Where a device has the pattern of a kind, in bytes. */
export interface FoundSignature {
  readonly kind: string;
  readonly offset: number;
  readonly length: number;
}

const text = (kind: string, offset: number, pattern: string): Signature => ({
  kind,
  offset,
  bytes: Buffer.from(pattern, "latin1"),
});
const hex = (kind: string, offset: number, pattern: string): Signature => ({
  kind,
  offset,
  bytes: Buffer.from(pattern, "hex"),
});

/** Of the first ZFS label: 128 uberblocks of a kibibyte each, fewer and larger ones on disks with large sectors. */
const uberblocks = Array.from({ length: 128 }, (_, index) => 0x20000 + index * 1024);

const signatures: readonly Signature[] = [
  text("luks", 0, "LUKS\xba\xbe"),
  // An image that this library has half encrypted or half decrypted in place.
  text("chatelaine-in-place", 0, inPlaceMagic),
  // LUKS1 while it is re-encrypted.
  text("luks", 0, "LUKS\xde\xad"),
  ...[0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000].map(
    (offset) => text("luks", offset, "SKUL\xba\xbe"),
  ),
  hex("ext", 0x438, "53ef"),
  text("xfs", 0, "XFSB"),
  text("btrfs", 0x10040, "_BHRfS_M"),
  ...[0, 512, 1024, 1536].map((offset) => text("lvm", offset, "LABELONE")),
  ...[4096, 8192, 16384, 65536].flatMap((page) => [
    text("swap", page - 10, "SWAPSPACE2"),
    text("swap", page - 10, "SWAP-SPACE"),
    // The image of a hibernated system.
    text("swap", page - 10, "S1SUSPEND"),
    text("swap", page - 10, "S2SUSPEND"),
  ]),
  text("gpt", 512, "EFI PART"),
  text("gpt", 4096, "EFI PART"),
  hex("mbr", 510, "55aa"),
  hex("md-raid", 0, "fc4e2ba9"),
  hex("md-raid", 4096, "fc4e2ba9"),
  text("ntfs", 3, "NTFS    "),
  text("bitlocker", 3, "-FVE-FS-"),
  text("exfat", 3, "EXFAT   "),
  text("vfat", 54, "FAT1"),
  text("vfat", 82, "FAT32   "),
  hex("f2fs", 1024, "1020f5f2"),
  hex("erofs", 1024, "e2e1f5e0"),
  text("squashfs", 0, "hsqs"),
  text("iso9660", 0x8001, "CD001"),
  text("udf", 0x8001, "BEA01"),
  text("jfs", 0x8000, "JFS1"),
  text("reiserfs", 0x10034, "ReIsEr"),
  hex("gfs2", 0x10000, "01161970"),
  // Revision 2, and the magic behind it.
  hex("nilfs2", 1024, "0200000000003434"),
  text("hfsplus", 1024, "H+\0\x04"),
  text("hfsplus", 1024, "HX\0\x05"),
  text("apfs", 32, "NXSB"),
  ...uberblocks.flatMap((offset) => [
    hex("zfs", offset, "0cb1ba0000000000"),
    hex("zfs", offset, "0000000000bab10c"),
  ]),
  hex("bcache", 4120, "c68573f64e1a45ca8265f57f48ba6d81"),
  hex("bcachefs", 4120, "c68573f666ce90a9d96a60cf803df7ef"),
  text("ceph", 0, "bluestore block device"),
  text("dm-snapshot", 0, "SnAp"),
  text("dm-verity", 0, "verity\0\0"),
  text("dm-integrity", 0, "integrt\0"),
  text("vdo", 0, "dmvdo001"),
  text("qcow", 0, "QFI\xfb"),
  text("vmdk", 0, "KDMV"),
  text("vhdx", 0, "vhdxfile"),
  text("vdi", 64, "\x7f\x10\xda\xbe"),
];

/** Read at once; the few signatures behind it are read one by one. */
const startBytes = 0x40000;

/** The signatures near the beginning of a device: of what it holds now, or once held and was never erased. */
export async function findSignatures(device: BlockDevice): Promise<readonly FoundSignature[]> {
  const found: FoundSignature[] = [];
  const start = new Uint8Array(Math.min(device.size, startBytes));
  await device.read(0, start);
  for (const { kind, offset, bytes } of signatures) {
    const { length } = bytes;
    if (offset + length > device.size) continue;
    let place = start.subarray(offset, offset + length);
    if (place.length < length) {
      place = new Uint8Array(length);
      await device.read(offset, place);
    }
    if (Buffer.compare(place, bytes) !== 0) continue;
    if (kind === "mbr" && !hasBootFlags(start)) continue;
    found.push({ kind, offset, length });
  }
  return found;
}

/**
 * Names what a device holds, by the patterns that filesystems, partition tables, volume managers,
 * disk image formats and LUKS leave near its beginning and at its end.
 *
 * @returns each kind once; empty if nothing is recognised, which does not mean that the device is blank
 */
export async function recognise(device: BlockDevice): Promise<readonly string[]> {
  const found = new Set((await findSignatures(device)).map(({ kind }) => kind));
  for (const sectorSize of [512, 4096]) {
    const last = new Uint8Array(8);
    if (device.size < sectorSize) continue;
    await device.read(device.size - sectorSize, last);
    if (Buffer.from(last).toString("latin1") === "EFI PART") found.add("gpt");
  }
  return [...found];
}

/**
 * An MBR's two bytes are too few: a boot sector of another kind has them, and one salt of LUKS1 in 65,536. The four
 * partitions of an MBR are active (0x80) or not (0).
 */
function hasBootFlags(start: Uint8Array): boolean {
  return [446, 462, 478, 494].every((offset) => start[offset] === 0 || start[offset] === 0x80);
}
