import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from "node:crypto";
import { Mac } from "../crypto/mac.ts";
import type { RootKeyRing } from "../crypto/root-key/ring.ts";
import { open, seal } from "../crypto/seal.ts";
import type { Clock } from "../model/clock.ts";
import { ServerError } from "../model/server-error.ts";
import {
  findProjectKeys,
  insertProjectKey,
  type ProjectKeyRow,
  reserveSeals,
} from "../store/operations/keys.ts";
import type { Store } from "../store/store.ts";

/** What guards one project's objects, in one generation. */
export interface ProjectKey {
  readonly projectId: string;
  readonly generation: number;
  /** For payloads. */
  readonly sealing: KeyObject;
  /** For the tags of ownership of a database from before every row had a tag; see row-tagging. */
  readonly tagging: Mac;
}

/**
 * How many times one key may seal, after which the project gets a new generation.
 * Nonces are random, and NIST SP 800-38D (section 8.3) ends a key at 2^32 of them;
 * this leaves room for databases that were put back to an older state.
 */
export const maxSealsOfKey = 2 ** 30;

/** Seals are reserved by as many, so that one write is enough for all of them. */
const sealsAtOnce = 1_024;

/** More generations than this in a row are no shortage of seals. */
const maxReservations = 8;

export interface ProjectKeysOptions {
  readonly store: Store;
  readonly rootKeys: RootKeyRing;
  readonly clock: Clock;
  /** How many projects' keys stay unwrapped in memory. Default 10,000. */
  readonly maxCached?: number;
  /** How long a key stays unwrapped, in milliseconds. Default 15 minutes. */
  readonly timeToLiveMs?: number;
  /** How many times one key may seal. Default {@link maxSealsOfKey}. */
  readonly maxSeals?: number;
}

interface Cached {
  readonly keys: readonly ProjectKey[];
  readonly until: number;
  /** How many seals of the newest key this process has reserved and not made yet. */
  sealsLeft: number;
}

/**
 * The projects' keys: made at a project's first need, wrapped by the root key,
 * and kept unwrapped for a while. Payloads are never kept.
 */
export class ProjectKeys {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #maxCached: number;
  readonly #timeToLiveMs: number;
  readonly #maxSeals: number;
  /** By project: those who wait for seals share one reservation. */
  readonly #reservations = new Map<string, Promise<unknown>>();
  #rootKeys: RootKeyRing;
  /** In order of use. */
  readonly #cache = new Map<string, Cached>();

  constructor(options: ProjectKeysOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#rootKeys = options.rootKeys;
    this.#maxCached = options.maxCached ?? 10_000;
    this.#timeToLiveMs = options.timeToLiveMs ?? 15 * 60_000;
    this.#maxSeals = options.maxSeals ?? maxSealsOfKey;
  }

  /**
   * The key that seals what is new, for one seal, which counts from now on, made or
   * not. A key that has sealed enough is followed by a new generation.
   */
  async toSeal(projectId: string): Promise<ProjectKey> {
    for (let reservations = 0; reservations < maxReservations; ) {
      const key = this.#take(projectId);
      if (key) return key;
      const others = this.#reservations.get(projectId);
      if (others) {
        await others.catch(() => undefined);
        continue;
      }
      reservations++;
      const reservation = this.#reserve(projectId);
      this.#reservations.set(projectId, reservation);
      const reserved = await reservation.finally(() => this.#reservations.delete(projectId));
      if (reserved) return reserved;
    }
    throw new Error(`project key ${projectId}: no seals could be reserved`);
  }

  /** The newest key, for tags. Makes the project's first key if it has none. */
  async active(projectId: string): Promise<ProjectKey> {
    const cached = this.#cached(projectId)?.keys[0];
    if (cached) return cached;
    let keys = await this.#load(projectId);
    if (keys.length === 0) {
      // Not 1: an erased project that comes back must not meet its old number in another process' memory.
      await this.add(projectId, Math.floor(this.#clock.nowMs() / 2_000));
      keys = this.#cached(projectId)?.keys ?? (await this.#load(projectId));
    }
    const key = keys[0];
    if (!key) throw new Error(`project key ${projectId}: made, and not found`);
    return key;
  }

  /** The key of one generation. @throws `integrity` if the project has none such */
  async byGeneration(projectId: string, generation: number): Promise<ProjectKey> {
    const found =
      ofGeneration(this.#cached(projectId)?.keys ?? [], generation) ??
      ofGeneration(await this.#load(projectId), generation);
    if (found) return found;
    throw new ServerError(
      "integrity",
      `project key ${projectId}: there is no generation ${generation}`,
    );
  }

  /**
   * Adds a key of the given generation, unless another has.
   *
   * @param rotation True if all older keys are to go once nothing needs them.
   */
  async add(projectId: string, generation: number, rotation = false): Promise<void> {
    const bytes = randomBytes(32);
    const root = this.#rootKeys.current;
    const wrapped = seal(root.wrapping, wrapContext(projectId, generation), bytes);
    bytes.fill(0);
    const seals = Math.min(sealsAtOnce, this.#maxSeals);
    const { added } = await this.#store.write(insertProjectKey, {
      row: { project_id: projectId, generation, root_key_id: root.id, wrapped },
      created: this.#clock.timestamp(),
      seals,
      rotation,
    });
    this.#cache.delete(projectId);
    if (!added) return;
    const [newest] = await this.#load(projectId);
    const cached = this.#cache.get(projectId);
    if (cached && newest?.generation === generation) cached.sealsLeft = seals;
  }

  /** The same key, wrapped by the current root key. */
  rewrap(row: ProjectKeyRow): ProjectKeyRow {
    const bytes = this.#unwrap(row);
    const root = this.#rootKeys.current;
    const wrapped = seal(root.wrapping, wrapContext(row.project_id, row.generation), bytes);
    bytes.fill(0);
    return { ...row, root_key_id: root.id, wrapped };
  }

  /** The root keys in use. */
  get rootKeys(): RootKeyRing {
    return this.#rootKeys;
  }

  /** Uses other root keys from now on. */
  useRootKeys(rootKeys: RootKeyRing): void {
    this.#rootKeys = rootKeys;
  }

  /** Forgets what is unwrapped, of one project or of all. */
  forget(projectId?: string): void {
    if (projectId === undefined) this.#cache.clear();
    else this.#cache.delete(projectId);
  }

  #cached(projectId: string): Cached | undefined {
    const cached = this.#cache.get(projectId);
    return cached && cached.until >= this.#clock.nowMs() ? cached : undefined;
  }

  /** The newest key, if a reserved seal of it is left. */
  #take(projectId: string): ProjectKey | undefined {
    const cached = this.#cached(projectId);
    if (!cached || cached.sealsLeft === 0) return undefined;
    cached.sealsLeft--;
    return cached.keys[0];
  }

  /** Reserves seals, takes one, and leaves the rest to others; undefined if the key is used up or gone. */
  async #reserve(projectId: string): Promise<ProjectKey | undefined> {
    const key = await this.active(projectId);
    // A first key was made with some.
    const taken = this.#take(projectId);
    if (taken) return taken;
    const { generation } = key;
    const seals = Math.min(sealsAtOnce, this.#maxSeals);
    const reserving = { projectId, generation, seals, max: this.#maxSeals };
    const result = await this.#store.write(reserveSeals, reserving);
    if (!("refused" in result)) {
      const cached = this.#cache.get(projectId);
      if (cached?.keys[0]?.generation === generation) cached.sealsLeft += seals - 1;
      return key;
    }
    this.#cache.delete(projectId);
    if (result.refused === "stale_key") return undefined;
    // Another process may have added the next one already.
    const [newest] = await this.#load(projectId);
    if (newest?.generation === generation) await this.add(projectId, generation + 1);
    return undefined;
  }

  async #load(projectId: string): Promise<readonly ProjectKey[]> {
    const rows = await this.#store.read(findProjectKeys, { projectId });
    const keys = rows.map((row) => {
      const bytes = this.#unwrap(row);
      const derive = (use: string) =>
        Buffer.from(hkdfSync("sha256", bytes, "", `chatelaine project key: ${use}`, 32));
      const derived = { sealing: derive("seal"), tagging: derive("tag") };
      const key = {
        projectId,
        generation: row.generation,
        sealing: createSecretKey(derived.sealing),
        tagging: new Mac(derived.tagging),
      };
      for (const secret of [bytes, derived.sealing, derived.tagging]) secret.fill(0);
      return key;
    });
    if (keys.length === 0) return keys;
    const before = this.#cache.get(projectId);
    const sealsLeft =
      before?.keys[0]?.generation === keys[0]?.generation ? (before?.sealsLeft ?? 0) : 0;
    this.#cache.delete(projectId);
    if (this.#cache.size >= this.#maxCached) {
      const oldest = this.#cache.keys().next().value;
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    const until = this.#clock.nowMs() + this.#timeToLiveMs;
    this.#cache.set(projectId, { keys, until, sealsLeft });
    return keys;
  }

  #unwrap(row: ProjectKeyRow): Buffer {
    const root = this.#rootKeys.all.get(row.root_key_id);
    if (!root)
      throw new ServerError(
        "integrity",
        `project key ${row.project_id}: wrapped by root key ${row.root_key_id}, which is missing`,
      );
    return open(root.wrapping, wrapContext(row.project_id, row.generation), row.wrapped);
  }
}

function wrapContext(projectId: string, generation: number): readonly string[] {
  return ["chatelaine project key", projectId, String(generation)];
}

/** What binds a payload to its place: moved to another project, object or type, it does not open. */
export function payloadContext(
  projectId: string,
  secretId: string,
  contentType: string,
): readonly string[] {
  return ["chatelaine payload", projectId, secretId, contentType];
}

function ofGeneration(keys: readonly ProjectKey[], generation: number): ProjectKey | undefined {
  for (const key of keys) if (key.generation === generation) return key;
  return undefined;
}
