import type { ObjectId, StoredObject } from "@chatelaine/keys/interface";
import {
  type CheckedHeader,
  checkHeader,
  type SegmentCipher,
  segmentCipher,
  type Unlocked,
  unlock,
} from "@chatelaine/luks";
import { type CryptTable, mapTogether } from "../host/crypt-table.ts";
import { type LogicalVolume, logicalVolumePath } from "../host/logical-volume.ts";
import { isSimple, luksTable } from "../host/luks-table.ts";
import { devicePath, map } from "../host/mapping.ts";
import { mappingName, plainMappingUuid } from "../host/safe-text.ts";
import { fetchKey } from "../key/fetch-key.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import { type VolumeLayout } from "../model/layout.ts";
import type { KeySource } from "../model/volume.ts";
import { recordedProblem } from "../record/trusted-volume.ts";

/** Of a plain disk's key, in bits: two AES-256 keys for XTS, every bit of them random. */
export const diskKeyBitLength = 512;
export const diskCipher = segmentCipher("aes-xts-plain64") as SegmentCipher;

/** How a disk is encrypted: `plain` by the key itself, `luks2` by a volume key that the key opens. */
export type DiskFormat = "plain" | "luks2";

/** What the kernel is told of a disk. */
export interface DiskParts {
  /** In the ledger; of a LUKS2 disk, also in its header. */
  readonly id: string;
  readonly volume: LogicalVolume;
  /** Of the mapping. */
  readonly mapping: string;
  readonly format: DiskFormat;
  readonly keyId: ObjectId;
  /** As the ledger has it. Undefined of plain disks, and of a LUKS2 disk from before that has not been opened since. */
  readonly layout?: VolumeLayout | undefined;
}

/** @returns the path of the mapped device; @throws `integrity`, `mismatch` */
export async function mapDisk(source: KeySource, parts: DiskParts): Promise<string> {
  const { mapping, volume, format, keyId } = parts;
  const path = logicalVolumePath(volume);
  const name = mappingName(mapping);
  const header = format === "luks2" ? await recordedHeader(parts) : undefined;
  const key = await fetchKey(source, keyId, `map ${path}`);
  if (header === undefined) {
    const plain = { type: "plain", cipher: diskCipher, keyBitLength: diskKeyBitLength } as const;
    return key.value.use((bytes) => map(name, path, { ...plain, key: bytes }));
  }
  const { volumeKey } = await lendPassphrase(key, (passphrase) =>
    unlock(path, passphrase, { header }),
  );
  try {
    return await map(name, path, { type: "luks", header, volumeKey });
  } finally {
    volumeKey.destroy();
  }
}

/**
 * Maps many disks at once.
 *
 * @returns the ids of those that are mapped now; try the others one by one
 */
export async function mapDisks(
  source: KeySource,
  disks: readonly DiskParts[],
): Promise<ReadonlySet<string>> {
  const tables = new Map<DiskTable, string>();
  try {
    for (const parts of disks) {
      // Whose key or header is not to be had is for `mapDisk` to say.
      const table = await tableOf(source, parts).catch(() => undefined);
      if (table !== undefined) tables.set(table, parts.id);
    }
    const mapped = await mapTogether([...tables.keys()]);
    return new Set([...tables].flatMap(([table, id]) => (mapped.has(table) ? [id] : [])));
  } finally {
    for (const { destroyKey } of tables.keys()) destroyKey();
  }
}

/**
 * Maps a disk so that writes are refused, also while another mapping shows it.
 *
 * @returns the path of the mapped device
 * @throws `tool_failed`
 */
export async function showReadOnly(source: KeySource, parts: DiskParts): Promise<string> {
  const table = await tableOf(source, parts);
  if (table === undefined) {
    throw new VolumeError(
      "unsupported",
      `map ${parts.volume.name}: its header is out of the ordinary`,
    );
  }
  try {
    const mapped = await mapTogether([{ ...table, readOnly: true }]);
    if (mapped.size > 0) return devicePath(table.name);
  } finally {
    table.destroyKey();
  }
  throw new VolumeError(
    "tool_failed",
    `map ${logicalVolumePath(parts.volume)}: dmsetup made no ${devicePath(parts.mapping)}`,
  );
}

/** Of the second mapping of a disk, which refuses writes. */
export function readOnlyMapping(mapping: string): string {
  return `${mapping}-ro`;
}

interface DiskTable extends CryptTable {
  readonly destroyKey: () => void;
}

/** @returns undefined for what only cryptsetup can map */
async function tableOf(source: KeySource, parts: DiskParts): Promise<DiskTable | undefined> {
  const key = await fetchKey(source, parts.keyId, `map ${logicalVolumePath(parts.volume)}`);
  return parts.format === "plain" ? plainTable(parts, key) : openedTable(parts, key);
}

function plainTable({ volume, mapping }: DiskParts, key: StoredObject): DiskTable {
  const name = mappingName(mapping);
  return {
    name,
    uuid: plainMappingUuid(name),
    disk: logicalVolumePath(volume),
    cipher: diskCipher,
    key: key.value,
    offset: 0,
    size: "dynamic",
    sectorSize: 512,
    ivTweak: 0,
    destroyKey: () => undefined,
  };
}

async function openedTable(parts: DiskParts, key: StoredObject): Promise<DiskTable | undefined> {
  const { volume, mapping } = parts;
  const path = logicalVolumePath(volume);
  const header = await recordedHeader(parts);
  if (!isSimple(header)) return undefined;
  const { volumeKey } = await lendPassphrase(key, (passphrase) =>
    unlock(path, passphrase, { header }),
  );
  return {
    ...luksTable(path, mappingName(mapping), header, volumeKey),
    destroyKey: () => volumeKey.destroy(),
  };
}

/** As {@link mapDisk}, for a LUKS2 disk whose mapping is to be changed. The caller destroys the volume key. */
export async function unlockDisk(source: KeySource, parts: DiskParts): Promise<Unlocked> {
  const header = await recordedHeader(parts);
  const path = logicalVolumePath(parts.volume);
  const key = await fetchKey(source, parts.keyId, `open ${path}`);
  return lendPassphrase(key, (passphrase) => unlock(path, passphrase, { header }));
}

/** The header of a LUKS2 disk, if it is the one that the ledger has. @throws `integrity`, `mismatch` */
async function recordedHeader({ id, volume, layout }: DiskParts): Promise<CheckedHeader> {
  const path = logicalVolumePath(volume);
  const header = await checkHeader(path);
  const record = { id, kind: "disk", format: "luks2", cipher: diskCipher, layout } as const;
  const problem = recordedProblem(path, { ...record, parentId: undefined }, header);
  if (problem !== undefined) throw problem;
  return header;
}
