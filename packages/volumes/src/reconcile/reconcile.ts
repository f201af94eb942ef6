import {
  KeyManagerError,
  type ObjectId,
  type ObjectInfo,
  tracksConsumers,
} from "@chatelaine/keys/interface";
import { checkHeader, LuksError, type LuksHeader, readLuks } from "@chatelaine/luks";
import { locationOf } from "../disk/location.ts";
import { tokensOf } from "../disk/tokens.ts";
import { consumerOf, registerConsumer, volumeOfKeyName } from "../key/managed-key.ts";
import { describeChanges } from "../model/layout.ts";
import type { Ledger, VolumeRecord } from "../model/ledger.ts";
import { nowOf, projectOf, type VolumeContext } from "../model/volume-context.ts";
import { headerIdOf, recordsOfDisk } from "../record/recorded-disk.ts";
import { changesOf } from "../record/trusted-volume.ts";
import { sharedDisks } from "./shared-disks.ts";

/**
 * - `ok`: ledger, key manager and disk agree.
 * - `unfinished`: an operation is under way, or waits for `recover`.
 * - `missing_key`: a volume whose key is not in the key manager. Its data is lost unless the key comes back.
 * - `missing_disk`: a volume whose disk is not where the ledger has it, or is another one.
 * - `changed_header`: a disk whose header is not the one that the ledger recorded, or is never to be trusted: it does not open.
 * - `unrecorded_header`: a volume from before headers were recorded; the next open that its key proves records its own.
 * - `foreign_key`: a disk that names a key which is not its volume's. Nothing is done with that key.
 * - `unprotected_key`: a volume is not registered as its key's consumer, so anybody may delete the key.
 * - `shared_disk`: two volumes on one disk, by different names of it. At most one of them opens; forget the other.
 * - `shared_key`: two volumes with one key.
 * - `expiring_key`: the key manager will treat the key as gone soon.
 * - `orphan_key`: a key that was made for a volume that is not in the ledger, and that nobody says he needs.
 * - `stale_consumer`: a key with a volume for a consumer that is not in this ledger.
 * - `unknown_disk`: a disk that names a key, but is not in the ledger; or one whose header cannot be read, beside which no
 *   orphan key is quarantined or deleted.
 */
export type FindingType =
  | "ok"
  | "unfinished"
  | "missing_key"
  | "missing_disk"
  | "changed_header"
  | "unrecorded_header"
  | "foreign_key"
  | "unprotected_key"
  | "shared_disk"
  | "shared_key"
  | "expiring_key"
  | "orphan_key"
  | "stale_consumer"
  | "unknown_disk";

/** One line of the table. */
export interface Finding {
  readonly type: FindingType;
  readonly volumeId: string | undefined;
  readonly keyId: ObjectId | undefined;
  readonly location: string | undefined;
  readonly detail: string;
  /** What `apply` did about it: the first time a key is found orphaned it is quarantined, and deleted no earlier than `quarantineMs` later. */
  readonly action: "none" | "registered" | "quarantined" | "deleted";
}

/** What to look at, and whether to change anything. */
export interface ReconcileOptions {
  /** Disks to look at besides those in the ledger. */
  readonly disks?: readonly string[] | undefined;
  /** Keys that expire within this many milliseconds are reported. Default 30 days. */
  readonly expiringMs?: number | undefined;
  /** Change what can be changed without losing anything. Default false: nothing is changed. */
  readonly apply?: boolean | undefined;
  /** How long a key stays in quarantine before `apply` deletes it, in milliseconds. Default 7 days. */
  readonly quarantineMs?: number | undefined;
}

const day = 24 * 60 * 60 * 1000;

/**
 * Joins what the ledger, the key manager and the disks say, for the context's
 * project and the disks of this host. Never touches a disk. With `apply` it registers missing consumers, and
 * quarantines orphan keys before it deletes them.
 */
export async function reconcile(
  context: VolumeContext,
  options: ReconcileOptions = {},
): Promise<readonly Finding[]> {
  const { ledger, keyManager, caller } = context;
  const project = projectOf(context);
  const volumes = await ledger.volumes({ project, host: ledger.host });
  const keys = new Map<ObjectId, ObjectInfo>();
  for await (const info of keyManager.list(caller)) keys.set(info.id, info);
  const everyVolume = await ledger.volumes();
  const busy = new Set((await ledger.unfinished()).map(({ volumeId }) => volumeId));
  const ownVolumes = everyVolume.filter(({ host }) => host === ledger.host);
  const known = { keys, busy, everyVolume, shared: await sharedDisks(ownVolumes) };

  const findings: Finding[] = [];
  for (const volume of volumes) {
    findings.push(...(await aboutVolume(context, options, volume, known)));
  }
  const unknown = await unknownDisks(ledger, options.disks ?? [], ownVolumes);
  findings.push(...unknown);
  const needed = new Set([...everyVolume, ...unknown].map(({ keyId }) => keyId));
  // A disk that cannot be read may need any key.
  const isAnyNeeded = unknown.some(({ keyId }) => keyId === undefined);
  const about = { needed, isAnyNeeded, busy, everyVolume };
  for (const info of keys.values()) {
    findings.push(...(await aboutKey(context, options, info, about)));
  }
  if (options.apply === true) await endQuarantine(context, findings);
  return findings;
}

interface Known {
  readonly keys: ReadonlyMap<ObjectId, ObjectInfo>;
  readonly busy: ReadonlySet<string>;
  readonly everyVolume: readonly VolumeRecord[];
  /** Of each volume that is not alone on its disk, by id, the others. */
  readonly shared: ReadonlyMap<string, readonly VolumeRecord[]>;
}

async function aboutVolume(
  context: VolumeContext,
  options: ReconcileOptions,
  volume: VolumeRecord,
  { keys, busy, everyVolume, shared }: Known,
): Promise<Finding[]> {
  const { id, keyId, location } = volume;
  const say = (type: FindingType, detail: string, action: Finding["action"] = "none"): Finding => ({
    type,
    volumeId: id,
    keyId,
    location,
    detail,
    action,
  });
  if (busy.has(id) || keyId === undefined) return [say("unfinished", "see chatelaine recover")];
  const findings: Finding[] = [];
  for (const { type, detail, names } of await aboutDisk(volume)) {
    findings.push({ ...say(type, detail), ...(names !== undefined && { keyId: names }) });
  }
  const together = shared.get(id) ?? [];
  if (together.length > 0) {
    const others = together.map((other) => `volume ${other.id}, as ${other.location}`).join("; ");
    const next = "forget the one whose header is not on the disk";
    findings.push(say("shared_disk", `with ${others}: ${next}`));
  }
  const info = keys.get(keyId) ?? (await describeUnlisted(context, keyId));
  if (info === undefined) findings.push(say("missing_key", "the key manager has no such key"));
  else {
    const now = nowOf(context).getTime();
    const { expiration } = info;
    if (expiration && expiration.getTime() - now < (options.expiringMs ?? 30 * day)) {
      findings.push(say("expiring_key", `on ${expiration.toISOString()}`));
    }
    if (tracksConsumers(context.keyManager) && !info.consumers.some(isConsumer(id))) {
      if (options.apply === true) await registerConsumer(context, id, keyId);
      const action = options.apply === true ? "registered" : "none";
      findings.push(say("unprotected_key", "the volume is not registered as its consumer", action));
    }
  }
  const sharing = everyVolume.filter((other) => other.keyId === keyId && other.id !== id);
  if (sharing.length > 0) {
    findings.push(say("shared_key", `with ${sharing.map((other) => other.id).join(", ")}`));
  }
  return findings.length > 0 ? findings : [say("ok", "")];
}

interface AboutDisk {
  readonly type: FindingType;
  readonly detail: string;
  /** The key that the disk names. */
  readonly names?: ObjectId;
}

async function aboutDisk(volume: VolumeRecord): Promise<readonly AboutDisk[]> {
  if (volume.format === "plain") return [];
  const { location } = volume;
  const header = await readLuks(location).catch((error: unknown) => {
    if (error instanceof LuksError) return error;
    throw error;
  });
  if (header instanceof LuksError) return [{ type: "missing_disk", detail: header.message }];
  const expected = headerIdOf(volume);
  if (header.uuid !== expected) {
    return [{ type: "missing_disk", detail: `the disk there is volume ${header.uuid}` }];
  }
  return [...(await aboutLayout(volume)), ...foreignKeys(volume, header)];
}

async function aboutLayout(volume: VolumeRecord): Promise<readonly AboutDisk[]> {
  try {
    const changes = changesOf(volume, await checkHeader(volume.location));
    if (changes.length > 0) return [{ type: "changed_header", detail: describeChanges(changes) }];
  } catch (error) {
    if (error instanceof LuksError) return [{ type: "changed_header", detail: error.message }];
    throw error;
  }
  if (volume.layout !== undefined) return [];
  return [{ type: "unrecorded_header", detail: "the next open records its header" }];
}

/** A snapshot names its volume's keys as of then. */
function foreignKeys({ kind, keyId }: VolumeRecord, header: LuksHeader): readonly AboutDisk[] {
  if (kind === "snapshot") return [];
  return tokensOf(header)
    .filter(({ object }) => object !== keyId)
    .map(({ object }) => ({
      type: "foreign_key",
      detail: "the disk names this key, the ledger does not: it is ignored",
      names: object as ObjectId,
    }));
}

async function describeUnlisted(
  { keyManager, caller }: VolumeContext,
  keyId: ObjectId,
): Promise<ObjectInfo | undefined> {
  try {
    return await keyManager.describe(caller, keyId);
  } catch (error) {
    if (error instanceof KeyManagerError && error.code === "not_found") return undefined;
    throw error;
  }
}

/** The disk is there, and nobody can say which keys it names. */
const unreadable: ReadonlySet<string> = new Set([
  "ambiguous",
  "corrupt_header",
  "in_reencryption",
  "unsupported",
]);

async function unknownDisks(
  ledger: Ledger,
  disks: readonly string[],
  ownVolumes: readonly VolumeRecord[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const path of disks) {
    const location = await locationOf(path);
    if (ownVolumes.some((volume) => volume.location === location)) continue;
    if ((await recordsOfDisk(ledger, path)).length > 0) continue;
    const header = await readLuks(path).catch((error: unknown) => {
      if (error instanceof LuksError && error.code === "not_luks") return undefined;
      if (!(error instanceof LuksError && unreadable.has(error.code))) throw error;
      findings.push({
        type: "unknown_disk",
        volumeId: undefined,
        keyId: undefined,
        location,
        detail: error.message,
        action: "none",
      });
      return undefined;
    });
    const elsewhere = ownVolumes.find(({ id }) => id === header?.uuid);
    for (const { object } of header === undefined ? [] : tokensOf(header)) {
      findings.push({
        type: "unknown_disk",
        volumeId: header?.uuid,
        keyId: object as ObjectId,
        location,
        detail:
          elsewhere === undefined
            ? "the disk names this key, but is not in the ledger: adopt it"
            : `the disk says that it is the volume at ${elsewhere.location}: a copy, or the volume was moved`,
        action: "none",
      });
    }
  }
  return findings;
}

async function aboutKey(
  context: VolumeContext,
  options: ReconcileOptions,
  info: ObjectInfo,
  {
    needed,
    isAnyNeeded,
    busy,
    everyVolume,
  }: Omit<Known, "keys" | "shared"> & {
    readonly needed: ReadonlySet<ObjectId | undefined>;
    readonly isAnyNeeded: boolean;
  },
): Promise<Finding[]> {
  const madeFor = volumeOfKeyName(info.name);
  if (needed.has(info.id)) return [];
  const mine = info.consumers.filter(({ service, resourceType }) => {
    const own = consumerOf("");
    return service === own.service && resourceType === own.resourceType;
  });
  const stale = mine.filter(
    ({ resourceId }) =>
      !busy.has(resourceId) && !everyVolume.some((volume) => volume.id === resourceId),
  );
  const say = (type: FindingType, detail: string, action: Finding["action"] = "none"): Finding => ({
    type,
    volumeId: madeFor,
    keyId: info.id,
    location: undefined,
    detail,
    action,
  });
  if (madeFor !== undefined && busy.has(madeFor)) {
    return [say("unfinished", "see chatelaine recover")];
  }
  // Somebody said that he needs it: perhaps a host with a ledger of its own.
  if (info.consumers.length > 0) {
    return stale.map(({ resourceId }) =>
      say("stale_consumer", `volume ${resourceId} is not in this ledger`),
    );
  }
  if (madeFor === undefined) return [];
  const detail = everyVolume.some((volume) => volume.id === madeFor)
    ? `made for volume ${madeFor}, which has another key`
    : `made for volume ${madeFor}, which is not in the ledger`;
  if (!isAnyNeeded) return [say("orphan_key", detail, await quarantine(context, options, info.id))];
  return [say("orphan_key", `${detail}; it is kept while one of the disks cannot be read`)];
}

/**
 * First noted, and only deleted when it has been an orphan all along for the time
 * of quarantine. Where nobody can register as a consumer, the volume of another
 * host cannot be told from none, and nothing is deleted.
 */
async function quarantine(
  context: VolumeContext,
  { apply, quarantineMs = 7 * day }: ReconcileOptions,
  id: ObjectId,
): Promise<Finding["action"]> {
  const { ledger, keyManager, caller } = context;
  if (apply !== true || !tracksConsumers(keyManager)) return "none";
  const since = await ledger.quarantineKey(id, nowOf(context));
  if (nowOf(context).getTime() - since.getTime() < quarantineMs) return "quarantined";
  await keyManager.delete(caller, id);
  await ledger.releaseKey(id);
  return "deleted";
}

/** What was an orphan once and is none now must start anew if it becomes one again. */
async function endQuarantine(
  { ledger }: VolumeContext,
  findings: readonly Finding[],
): Promise<void> {
  const orphans = new Set(
    findings.flatMap(({ type, keyId }) => (type === "orphan_key" ? [keyId] : [])),
  );
  for (const id of await ledger.quarantinedKeys()) {
    if (!orphans.has(id)) await ledger.releaseKey(id);
  }
}

function isConsumer(volumeId: string) {
  const own = consumerOf(volumeId);
  return (other: ObjectInfo["consumers"][number]) =>
    other.service === own.service &&
    other.resourceType === own.resourceType &&
    other.resourceId === own.resourceId;
}
