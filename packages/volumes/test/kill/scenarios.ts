import { copyFile, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Caller, type ObjectId, SecretBytes } from "@chatelaine/keys";
import { formatLuks1, formatLuks2 } from "@chatelaine/luks";
import { blockDevice } from "../../src/host/block-device.ts";
import {
  adoptVolume,
  backupVolumeHeader,
  cloneVolume,
  createVolume,
  decryptVolume,
  deleteVolume,
  encryptVolume,
  importVolume,
  reencryptVolume,
  rekeyVolume,
  resizeVolume,
  restoreVolumeHeader,
  snapshotVolume,
  transferVolume,
  type VolumeContext,
} from "../../src/index.ts";

export const alice: Caller = { type: "project", projectId: "a", userId: "alice" };
export const bob: Caller = { type: "project", projectId: "b", userId: "bob" };

/** Whose credentials there are besides alice's. */
export function callerOf(project: string): Caller | undefined {
  return project === "b" ? bob : undefined;
}

/** What can be killed. `prepare` runs in the parent, `act` in the process that dies. */
export interface Scenario {
  readonly name: string;
  /** What goes wrong elsewhere when this is cut: the numbers of docs/known-failures.md. */
  readonly failures?: string;
  /** @returns ids of keys that belong to the user and must stay whatever happens */
  prepare(context: VolumeContext, directory: string): Promise<readonly ObjectId[]>;
  act(context: VolumeContext, directory: string, keys: readonly ObjectId[]): Promise<unknown>;
  /** The volume may be gone afterwards, or not be there yet. */
  readonly mayBeAbsent: boolean;
  /** Slots that the operation is to leave alone. */
  readonly foreignSlots?: number;
  /** Makes files, or counts on a file's growing by the header. */
  readonly onlyFiles?: boolean;
  /** Files beside the volumes' own that may be there afterwards. */
  readonly mayStay?: readonly string[];
  /** The same data are encrypted otherwise afterwards, or not at all. */
  readonly changesCiphertext?: boolean;
  /** How much of the data there was before. */
  readonly dataBytes?: number;
}

const sizeBytes = 256 * 1024;
/** The disk is a block device, to which `disk.img` is a link: it has its size. */
export const isDevice = process.env["CHATELAINE_KILL_DEVICE"] !== undefined;
const size = isDevice ? {} : { sizeBytes };
const diskOf = (directory: string) => join(directory, "disk.img");
/** Beside a file; of a device it must be told. */
const journalOf = (directory: string) =>
  isDevice ? { journal: join(directory, "state", "journal") } : {};
const snapshotOf = (directory: string) => join(directory, "snapshot.img");
const userKeySpec = { algorithm: "aes", bitLength: 256, name: "the user's" };

async function makeDisk(context: VolumeContext, directory: string): Promise<readonly ObjectId[]> {
  await createVolume(context, { path: diskOf(directory), ...size });
  await fill(diskOf(directory));
  return [];
}

export const scenarios: readonly Scenario[] = [
  {
    name: "create",
    failures: "O2",
    prepare: async () => [],
    act: (context, directory) => createVolume(context, { path: diskOf(directory), ...size }),
    mayBeAbsent: true,
  },
  {
    name: "create with the user's key",
    prepare: async ({ keyManager }) => [await keyManager.createKey(alice, userKeySpec)],
    act: (context, directory, [keyId]) =>
      createVolume(context, { path: diskOf(directory), ...size, keyId }),
    mayBeAbsent: true,
  },
  {
    name: "create in LUKS1",
    prepare: async () => [],
    act: (context, directory) =>
      createVolume(context, { path: diskOf(directory), ...size, format: "luks1" }),
    mayBeAbsent: true,
  },
  {
    name: "delete",
    failures: "O3 6.2",
    prepare: makeDisk,
    act: (context, directory) => deleteVolume(context, diskOf(directory)),
    mayBeAbsent: true,
  },
  {
    name: "rekey",
    failures: "O4 6.2",
    prepare: makeDisk,
    act: (context, directory) => rekeyVolume(context, diskOf(directory)),
    mayBeAbsent: false,
  },
  {
    name: "rekey to the user's key",
    prepare: async (context, directory) => {
      await makeDisk(context, directory);
      return [await context.keyManager.createKey(alice, userKeySpec)];
    },
    act: (context, directory, [keyId]) => rekeyVolume(context, diskOf(directory), { keyId }),
    mayBeAbsent: false,
  },
  {
    name: "transfer",
    failures: "O4",
    prepare: makeDisk,
    act: (context, directory) => transferVolume(context, diskOf(directory), "b"),
    mayBeAbsent: false,
  },
  {
    name: "clone",
    onlyFiles: true,
    failures: "O5",
    prepare: makeDisk,
    act: (context, directory) =>
      cloneVolume(context, diskOf(directory), { path: join(directory, "clone.img") }),
    mayBeAbsent: false,
  },
  {
    name: "clone with the source's volume key",
    onlyFiles: true,
    prepare: makeDisk,
    act: (context, directory) =>
      cloneVolume(context, diskOf(directory), {
        path: join(directory, "clone.img"),
        ownVolumeKey: false,
      }),
    mayBeAbsent: false,
  },
  {
    name: "snapshot",
    onlyFiles: true,
    failures: "O5",
    prepare: async (context, directory) => {
      await makeDisk(context, directory);
      await copyFile(diskOf(directory), snapshotOf(directory));
      return [];
    },
    act: (context, directory) => snapshotVolume(context, diskOf(directory), snapshotOf(directory)),
    mayBeAbsent: false,
    mayStay: ["snapshot.img"],
  },
  {
    name: "header backup and restore",
    prepare: makeDisk,
    act: async (context, directory) => {
      await backupVolumeHeader(context, diskOf(directory), join(directory, "backup.luks"));
      await restoreVolumeHeader(context, diskOf(directory));
    },
    mayBeAbsent: false,
    mayStay: ["backup.luks"],
  },
  {
    name: "adopt a LUKS1 disk",
    prepare: (context, directory) => foreignDisk(context, directory, "luks1"),
    act: (context, directory, [keyId]) =>
      adoptVolume(context, diskOf(directory), { keyId: keyId as ObjectId }),
    mayBeAbsent: true,
  },
  {
    name: "import with the user's key",
    prepare: (context, directory) => foreignDisk(context, directory, "luks2"),
    act: (context, directory, [keyId]) =>
      importVolume(context, diskOf(directory), keyId as ObjectId),
    mayBeAbsent: true,
  },
  {
    name: "adopt a disk with a passphrase",
    prepare: async (context, directory) => {
      const [key] = await foreignDisk(context, directory, "luks2");
      await context.keyManager.delete(alice, key as ObjectId);
      return [];
    },
    act: (context, directory) =>
      adoptVolume(context, diskOf(directory), { passphrase: Buffer.from(foreignPassphrase) }),
    mayBeAbsent: true,
    foreignSlots: 1,
  },
  {
    name: "re-encrypt",
    prepare: makeDisk,
    act: (context, directory) => reencryptVolume(context, diskOf(directory), journalOf(directory)),
    mayBeAbsent: false,
    changesCiphertext: true,
  },
  {
    name: "re-encrypt and rekey in LUKS1",
    prepare: async (context, directory) => {
      await createVolume(context, { path: diskOf(directory), ...size, format: "luks1" });
      await fill(diskOf(directory));
      return [];
    },
    act: (context, directory) =>
      reencryptVolume(context, diskOf(directory), { rekey: true, ...journalOf(directory) }),
    mayBeAbsent: false,
    changesCiphertext: true,
  },
  {
    name: "encrypt in place",
    onlyFiles: true,
    failures: "O4",
    prepare: plainDisk,
    act: (context, directory) => encryptVolume(context, diskOf(directory)),
    mayBeAbsent: true,
    changesCiphertext: true,
  },
  {
    name: "encrypt in place with the user's key",
    onlyFiles: true,
    prepare: async (context, directory) => {
      await plainDisk(context, directory);
      return [await context.keyManager.createKey(alice, userKeySpec)];
    },
    act: (context, directory, [keyId]) =>
      encryptVolume(context, diskOf(directory), { keyId, format: "luks1" }),
    mayBeAbsent: true,
    changesCiphertext: true,
  },
  {
    name: "decrypt in place",
    onlyFiles: true,
    failures: "O4",
    prepare: makeDisk,
    act: (context, directory) => decryptVolume(context, diskOf(directory)),
    mayBeAbsent: true,
    mayStay: ["disk.img"],
    changesCiphertext: true,
  },
  {
    name: "resize",
    onlyFiles: true,
    prepare: makeDisk,
    act: (context, directory) =>
      resizeVolume(context, diskOf(directory), { sizeBytes: 2 * sizeBytes }),
    mayBeAbsent: false,
    dataBytes: sizeBytes,
  },
];

async function plainDisk(_context: VolumeContext, directory: string): Promise<readonly ObjectId[]> {
  await makeBlank(diskOf(directory), sizeBytes);
  await fill(diskOf(directory));
  return [];
}

const foreignPassphrase = "0f".repeat(32);

/** A disk as OpenStack makes it: a key without name or consumer, its hexadecimal text the passphrase. */
async function foreignDisk(
  { keyManager }: VolumeContext,
  directory: string,
  format: "luks1" | "luks2",
): Promise<readonly ObjectId[]> {
  const path = diskOf(directory);
  await makeBlank(path, 20 * 1024 * 1024);
  const passphrase = Buffer.from(foreignPassphrase);
  const keyslots = [{ passphrase, entropyBits: 256 }];
  await (format === "luks1" ? formatLuks1(path, { keyslots }) : formatLuks2(path, { keyslots }));
  await fill(path);
  const value = new SecretBytes(Buffer.from(foreignPassphrase, "hex"));
  return [await keyManager.store(alice, { type: "symmetric", algorithm: "aes", value })];
}

async function makeBlank(path: string, bytes: number): Promise<void> {
  // A device has been made blank already.
  if (isDevice) return;
  const file = await open(path, "wx");
  await file.truncate(bytes);
  await file.close();
}

/** Puts something where the data is, to be found unchanged. */
async function fill(path: string): Promise<void> {
  const bytes = await bytesOf(path);
  const file = await open(path, "r+");
  await file.write(Buffer.alloc(4096, "precious"), 0, 4096, bytes - 4096);
  await file.close();
}

/** Of a file or a block device. */
export async function bytesOf(path: string): Promise<number> {
  return (await blockDevice(path))?.bytes ?? (await stat(path)).size;
}
