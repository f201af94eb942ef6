import type { BlockDevice } from "./device.ts";

/** One pattern that says what a device holds. Sources: libblkid's probers' documentation and each format's own. */
interface Signature {
  readonly kind: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
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

const signatures: readonly Signature[] = [
  text("luks", 0, "LUKS\xba\xbe"),
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
  hex("bcache", 4120, "c68573f64e1a45ca8265f57f48ba6d81"),
  text("ceph", 0, "bluestore block device"),
  text("qcow", 0, "QFI\xfb"),
  text("vmdk", 0, "KDMV"),
  text("vhdx", 0, "vhdxfile"),
  text("vdi", 64, "\x7f\x10\xda\xbe"),
];

/** How far into a device {@link recognise} looks, in bytes. */
const lookAhead = 0x400000 + 4096;

/**
 * Names what a device holds, by the patterns that filesystems, partition tables, volume managers,
 * disk image formats and LUKS leave near its beginning and at its end.
 *
 * @returns each kind once; empty if nothing is recognised, which does not mean that the device is blank
 */
export async function recognise(device: BlockDevice): Promise<readonly string[]> {
  const found = new Set<string>();
  const start = new Uint8Array(Math.min(device.size, 0x11000));
  await device.read(0, start);
  for (const { kind, offset, bytes } of signatures) {
    if (offset + bytes.length > Math.min(device.size, lookAhead)) continue;
    let place = start.subarray(offset, offset + bytes.length);
    if (place.length < bytes.length) {
      place = new Uint8Array(bytes.length);
      await device.read(offset, place);
    }
    if (Buffer.compare(place, bytes) === 0) found.add(kind);
  }
  for (const sectorSize of [512, 4096]) {
    const last = new Uint8Array(8);
    if (device.size < sectorSize) continue;
    await device.read(device.size - sectorSize, last);
    if (Buffer.from(last).toString("latin1") === "EFI PART") found.add("gpt");
  }
  return [...found];
}
