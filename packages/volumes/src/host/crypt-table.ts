import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import type { SegmentCipher } from "@chatelaine/luks";
import { hexOf } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import { type BlockDevice, blockDevice } from "./block-device.ts";
import { devicePath } from "./mapping.ts";
import { runTool } from "./run-tool.ts";
import { type MappingName, type MappingUuid, words } from "./safe-text.ts";

/** One mapping of dm-crypt, as the kernel is told of it (Linux, admin-guide/device-mapper/dm-crypt). */
export interface CryptTable {
  /** Of the mapping. */
  readonly name: MappingName;
  readonly uuid: MappingUuid;
  /** A block device, by any path: the table has its number. */
  readonly disk: string;
  readonly cipher: SegmentCipher;
  readonly key: { use<T>(read: (bytes: Uint8Array) => T): T };
  /** Where the data begins, in bytes. */
  readonly offset: number;
  /** In bytes; `dynamic` reaches to the end of the device. */
  readonly size: number | "dynamic";
  readonly sectorSize: number;
  /** Added to each sector's number. */
  readonly ivTweak: number;
  /** Default false. */
  readonly readOnly?: boolean;
}

/**
 * Maps many disks with one run of dmsetup: starting a program for each is most of
 * what opening one takes. Keys go through a pipe, and are in the kernel's table
 * then, as cryptsetup leaves those of plain mode and LUKS1.
 *
 * Leaves out what it cannot map, such as a device in use: try those one by one
 * with `map`, which says why.
 *
 * @returns the tables whose disks are mapped now, or were already. Two of one name are of two disks that have the same
 *   UUID, such as a copy and its original: one of them at most is mapped
 */
export async function mapTogether(tables: readonly CryptTable[]): Promise<ReadonlySet<CryptTable>> {
  const specifications: Uint8Array[] = [];
  const [asked, mapped] = [new Map<CryptTable, BlockDevice>(), new Set<CryptTable>()];
  const names = new Set<MappingName>();
  for (const table of tables) {
    const { name, disk } = table;
    const device = await blockDevice(disk);
    if (device === undefined) continue;
    if (existsSync(devicePath(name))) {
      // What else has the name is for `map` to say.
      if (await shows(table, device)) mapped.add(table);
      continue;
    }
    if (names.has(name)) continue;
    // device-mapper lets several mappings share a device; two that write are a lost file system.
    if (table.readOnly !== true && (await isHeld(device))) continue;
    const line = specification(table, device);
    if (line === undefined) continue;
    names.add(name);
    asked.set(table, device);
    specifications.push(line);
  }
  if (asked.size === 0) return mapped;
  const input = Buffer.concat(specifications);
  try {
    await runTool("dmsetup", words`create --concise`, { input, accept: [1] });
  } finally {
    for (const bytes of [...specifications, input]) bytes.fill(0);
  }
  // Meanwhile another process may have given the name to another disk.
  for (const [table, device] of asked) if (await shows(table, device)) mapped.add(table);
  return mapped;
}

async function isHeld({ number }: BlockDevice): Promise<boolean> {
  return (await readdir(`/sys/dev/block/${number}/holders`).catch(() => [])).length > 0;
}

/** Whether the mapping of a table's name is this one, of this disk; by what the kernel says in sysfs. */
async function shows({ name, uuid }: CryptTable, disk: BlockDevice): Promise<boolean> {
  const mapping = await blockDevice(devicePath(name));
  if (mapping === undefined) return false;
  const folder = `/sys/dev/block/${mapping.number}`;
  if ((await readFile(`${folder}/dm/uuid`, "utf8").catch(() => "")).trim() !== uuid) return false;
  for (const slave of await readdir(`${folder}/slaves`).catch(() => [])) {
    const number = await readFile(`${folder}/slaves/${slave}/dev`, "ascii").catch(() => "");
    if (number.trim() === disk.number) return true;
  }
  return false;
}

/**
 * One device in dmsetup's concise format (dmsetup(8), CONCISE FORMAT): names, UUID, cipher and device number are of
 * types that only validation makes, and all else is whole numbers.
 *
 * @returns undefined if the data does not fit the device
 */
function specification(table: CryptTable, device: BlockDevice): Uint8Array | undefined {
  const { name, uuid, cipher, key, offset, sectorSize, ivTweak, readOnly = false } = table;
  const room = device.bytes - offset;
  const bytes = table.size === "dynamic" ? room - (room % sectorSize) : table.size;
  if (bytes < sectorSize || bytes > room) return undefined;
  const [length, start] = [wholeSectors(bytes), wholeSectors(offset)];
  const more = sectorSize === 512 ? "" : ` 1 sector_size:${sectorSize}`;
  const access = readOnly ? "ro" : "rw";
  const digits = key.use(hexOf);
  try {
    return Buffer.concat([
      Buffer.from(`${name},${uuid},,${access},0 ${length} crypt ${cipher} `),
      digits,
      Buffer.from(` ${ivTweak} ${device.number} ${start}${more};`),
    ]);
  } finally {
    digits.fill(0);
  }
}

function wholeSectors(bytes: number): number {
  const sectors = bytes / 512;
  if (Number.isSafeInteger(sectors) && sectors >= 0) return sectors;
  throw new VolumeError("invalid_argument", `map: ${bytes} bytes are no whole number of sectors`);
}
