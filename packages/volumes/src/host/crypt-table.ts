import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { hexOf } from "../passphrase.ts";
import { type BlockDevice, blockDevice } from "./block-device.ts";
import { devicePath } from "./mapping.ts";
import { runTool } from "./run-tool.ts";

/** One mapping of dm-crypt, as the kernel is told of it (Linux, admin-guide/device-mapper/dm-crypt). */
export interface CryptTable {
  /** Of the mapping. */
  readonly name: string;
  /** By which cryptsetup knows the mapping again. */
  readonly uuid: string;
  /** A block device. */
  readonly disk: string;
  /** Such as `aes-xts-plain64`. */
  readonly cipher: string;
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

/** What neither dmsetup's syntax nor libdevmapper's mangling of names would change. */
const plainName = /^[A-Za-z0-9#+.:=@_-]{1,127}$/;

/**
 * Maps many disks with one run of dmsetup: starting a program for each is most of
 * what opening one takes. Keys go through a pipe, and are in the kernel's table
 * then, as cryptsetup leaves those of plain mode and LUKS1.
 *
 * Leaves out what it cannot map, such as a device in use: try those one by one
 * with `map`, which says why.
 *
 * @returns the names of those that are mapped now, or were already
 */
export async function mapTogether(tables: readonly CryptTable[]): Promise<ReadonlySet<string>> {
  const specifications: Uint8Array[] = [];
  const [names, there]: [string[], string[]] = [[], []];
  for (const table of tables) {
    const { name, disk, uuid } = table;
    const device = await blockDevice(disk);
    if (device === undefined || !plainName.test(name)) continue;
    if (existsSync(devicePath(name))) {
      // What else has the name is for `map` to say.
      if (await shows(name, uuid, device)) there.push(name);
      continue;
    }
    // device-mapper lets several mappings share a device; two that write are a lost file system.
    if (table.readOnly !== true && (await isHeld(device))) continue;
    names.push(name);
    specifications.push(specification(table, device));
  }
  if (names.length === 0) return new Set(there);
  const input = Buffer.concat(specifications);
  try {
    await runTool("dmsetup", ["create", "--concise"], { input, accept: [1] });
  } finally {
    for (const bytes of [...specifications, input]) bytes.fill(0);
  }
  return new Set([...there, ...names.filter((name) => existsSync(devicePath(name)))]);
}

async function isHeld({ number }: BlockDevice): Promise<boolean> {
  return (await readdir(`/sys/dev/block/${number}/holders`).catch(() => [])).length > 0;
}

/** Whether a mapping is this one, of this disk; by what the kernel says in sysfs. */
async function shows(name: string, uuid: string, disk: BlockDevice): Promise<boolean> {
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

/** dmsetup(8), CONCISE FORMAT. */
function specification(table: CryptTable, device: BlockDevice): Uint8Array {
  const { name, uuid, cipher, key, offset, sectorSize, ivTweak, readOnly = false } = table;
  const room = device.bytes - offset;
  const bytes = table.size === "dynamic" ? room - (room % sectorSize) : table.size;
  const more = sectorSize === 512 ? "" : ` 1 sector_size:${sectorSize}`;
  const digits = key.use(hexOf);
  try {
    return Buffer.concat([
      Buffer.from(`${name},${uuid},,${readOnly ? "ro" : "rw"},0 ${bytes / 512} crypt ${cipher} `),
      digits,
      Buffer.from(` ${ivTweak} ${device.number} ${offset / 512}${more};`),
    ]);
  } finally {
    digits.fill(0);
  }
}
