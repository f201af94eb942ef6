import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  type Caller,
  type KeyManager,
  MemoryKeyManager,
  type ObjectId,
  type ProjectCaller,
  SecretBytes,
  type StoredObject,
} from "@chatelaine/keys";
import { chatelaineToken, formatLuks1, formatLuks2 } from "@chatelaine/luks";
import type { HonestDisk } from "../../../luks/test/hostile/hostile-header.ts";
import { importVolume, openLedger, type VolumeContext } from "../../src/index.ts";
import { type Meaning, readingsOf } from "./meaning.ts";
import type { Setting } from "./verdict.ts";

/** A disk of the scene, as it was before anybody changed its header. */
export interface SceneDisk extends HonestDisk {
  readonly path: string;
  readonly keyId: ObjectId;
  readonly meaning: Meaning;
  /** In hexadecimal. */
  readonly volumeKey: string;
}

/** Where a disk of the scene is: a file, which is made, or a block device. */
export interface Place {
  readonly path: string;
  /** As `MAJOR:MINOR`; invented for a file. */
  readonly device: string;
}

export const sceneDiskBytes = 4 << 20;

/** Of the other disk, which is read after each mapping. */
export const victimBytes = 1 << 20;

/** How the disks are made; each is one that `createVolume` or an operator would make. */
const kinds = [
  { version: 2, bits: 512, sectorSize: 512, cipher: "aes-xts-plain64" },
  { version: 2, bits: 256, sectorSize: 4096, cipher: "aes-xts-plain64" },
  { version: 1, bits: 512, sectorSize: 512, cipher: "aes-xts-plain64" },
  { version: 1, bits: 256, sectorSize: 512, cipher: "aes-cbc-essiv:sha256" },
] as const;

export const sceneDisks = kinds.length;

const dataOffsets = { 1: 2 << 20, 2: 1 << 20 };
const owner: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const attacker: ProjectCaller = { type: "project", projectId: "b", userId: "mallory" };

/** A host with disks whose headers the fuzzer changes, its ledger, and its key manager. */
export class Scene {
  readonly disks: readonly SceneDisk[];
  /** A key of another project's, which the service may read. */
  readonly foreignKey: ObjectId;
  readonly #keyManager: RecordingKeyManager;
  readonly #known: VolumeContext;
  readonly #unknown: VolumeContext;

  private constructor(
    disks: readonly SceneDisk[],
    known: VolumeContext,
    unknown: VolumeContext,
    foreignKey: ObjectId,
    keyManager: RecordingKeyManager,
  ) {
    this.disks = disks;
    this.#known = known;
    this.#unknown = unknown;
    this.foreignKey = foreignKey;
    this.#keyManager = keyManager;
  }

  /**
   * Formats the disks, each with a key of its own, and imports them into a ledger.
   *
   * @param folder for the ledgers
   * @param places of the disks, {@link sceneDisks} of them
   * @param victim another disk of the host
   */
  static async make(folder: string, places: readonly Place[], victim: Place): Promise<Scene> {
    const keyManager = new RecordingKeyManager({ warn: () => {} });
    const contextOf = (name: string): VolumeContext => {
      const ledger = openLedger({ path: join(folder, `${name}.sqlite`) });
      return { keyManager, caller: owner, ledger };
    };
    const [known, unknown] = [contextOf("known"), contextOf("unknown")];
    const foreignKey = await storeKey(keyManager, attacker, 0xee);
    const access = { projectAccess: true, userIds: [owner.userId] };
    await keyManager.setReadAccess(attacker, foreignKey, access);
    const disks: SceneDisk[] = [];
    for (const [number, kind] of kinds.entries()) {
      const place = places[number];
      if (place === undefined) throw new Error(`scene: no place for disk ${number}`);
      const keyId = await storeKey(keyManager, owner, number + 1);
      const volumeKey = Buffer.alloc(kind.bits / 8, `volume key ${number} of the scene`);
      await format(place.path, kind, keyId, keyBytes(number + 1), volumeKey);
      await importVolume(known, place.path, keyId);
      const head = readStart(place.path, dataOffsets[kind.version]);
      const [reading] = readingsOf(head, sceneDiskBytes, 0);
      if (reading?.sound !== true) throw new Error(`scene: disk ${number} is not sound`);
      disks.push({
        version: kind.version,
        path: place.path,
        keyId,
        head,
        meaning: reading.meaning,
        volumeKey: volumeKey.toString("hex"),
        aim: {
          self: place.device,
          victim: victim.device,
          victimPath: victim.path,
          diskBytes: sceneDiskBytes,
          dataOffset: head.length,
          foreignKey,
          foreignUuid: disks[0]?.meaning.id ?? randomUUID(),
        },
      });
    }
    return new Scene(disks, known, unknown, foreignKey, keyManager);
  }

  context(setting: Setting): VolumeContext {
    return setting === "row" ? this.#known : this.#unknown;
  }

  /** Whether the bytes of a key that is not the disks' were fetched since this was last asked. */
  tookForeignKey(): boolean {
    const took = this.#keyManager.fetched.includes(this.foreignKey);
    this.#keyManager.fetched.length = 0;
    return took;
  }

  /** Makes the stranger's ledger, and the consumers of a disk's key, what they were. */
  async forgetStrangers({ keyId, meaning }: SceneDisk): Promise<void> {
    const { ledger, keyManager, caller } = this.#unknown;
    for (const { id, project } of await ledger.volumes()) {
      const now = new Date();
      const done = { kind: "delete", phase: "done", step: 0, input: {}, facts: {} } as const;
      const operation = { ...done, id: randomUUID(), volumeId: id, project, host: ledger.host };
      const lock = await ledger.lock(id);
      await ledger.write({ ...operation, problem: undefined, created: now, updated: now }, [
        { type: "remove", id },
      ]);
      await lock.release();
    }
    for (const consumer of (await keyManager.describe(caller, keyId)).consumers) {
      if (consumer.resourceId === meaning.id) continue;
      await this.#keyManager.removeConsumer(caller, keyId, consumer);
    }
  }

  async close(): Promise<void> {
    await this.#known.ledger.close();
    await this.#unknown.ledger.close();
  }
}

/** Remembers which keys it gave out. */
class RecordingKeyManager extends MemoryKeyManager {
  readonly fetched: ObjectId[] = [];

  override async get(...call: Parameters<MemoryKeyManager["get"]>): Promise<StoredObject> {
    const object = await super.get(...call);
    this.fetched.push(object.id);
    return object;
  }
}

function keyBytes(number: number): Uint8Array {
  return new Uint8Array(32).fill(number);
}

function storeKey(keyManager: KeyManager, caller: Caller, number: number): Promise<ObjectId> {
  const value = new SecretBytes(keyBytes(number));
  return keyManager.store(caller, { type: "symmetric", algorithm: "aes", bitLength: 256, value });
}

async function format(
  path: string,
  { version, sectorSize, cipher }: (typeof kinds)[number],
  object: ObjectId,
  key: Uint8Array,
  reuseVolumeKey: Uint8Array,
): Promise<void> {
  const isDevice = existsSync(path) && statSync(path).isBlockDevice();
  if (!isDevice) {
    writeFileSync(path, "");
    truncateSync(path, sceneDiskBytes);
  }
  // The cheapest derivation that cryptsetup accepts: a run opens these slots hundreds of thousands of times.
  const keyslot = { passphrase: Buffer.from(Buffer.from(key).toString("hex")), entropyBits: 256 };
  const common = { keyslots: [keyslot], reuseVolumeKey, dataOffset: dataOffsets[version] };
  if (version === 1) {
    await formatLuks1(path, { ...common, cipher });
  } else {
    const tokens = [chatelaineToken({ keyslots: [0], object, created: new Date() })];
    await formatLuks2(path, { ...common, sectorSize, tokens, label: "data" });
  }
}

function readStart(path: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, "r");
  readSync(file, bytes, 0, length, 0);
  closeSync(file);
  return bytes;
}
