import { existsSync } from "node:fs";
import { setTimeout as platformSleep } from "node:timers/promises";
import { BarbicanKeyManager } from "../barbican/key-manager.ts";
import type { Caller } from "../model/caller.ts";
import { KeyManagerError } from "../model/errors.ts";
import type { KeyManager } from "../model/key-manager.ts";
import type { ObjectId } from "../model/managed-object.ts";
import { refuseUnknownOptions } from "../model/options.ts";
import { BarbicanAdapter } from "./barbican-adapter.ts";
import { MigrationJournal } from "./journal.ts";
import { KeyManagerAdapter } from "./key-manager-adapter.ts";
import type { MigrationAdapter } from "./migration-adapter.ts";
import { Migrator } from "./migrator.ts";
import type { MigratedItem, MigrationProgress, MigrationReport } from "./report.ts";
import { type CopyPlan, containerItem, differences, formOf, objectItem } from "./transfer-item.ts";

/** One side: a key manager and its caller. */
export interface MigrationSide {
  readonly keyManager: KeyManager;
  readonly caller: Caller;
}

/** From where to where, and how. */
export interface MigrationOptions {
  /** Only read. */
  readonly source: MigrationSide;
  readonly target: MigrationSide;
  /**
   * The file that maps old ids to new ones and makes the migration repeatable;
   * made if it is missing, for its owner alone. Or how to name it, given both sides' names.
   */
  readonly journal: string | ((source: string, target: string) => string);
  /** Says what would be done, and changes nothing. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Compares the bytes of earlier copies, too. Default false. */
  readonly verify?: boolean | undefined;
  /** How many objects are under way at once, 1–64. Default 8. */
  readonly concurrency?: number | undefined;
  /** Ids of users in read grants: those of the source's Keystone → those of the target's. Default: they are the same. */
  readonly users?: ReadonlyMap<string, string> | undefined;
  /** Told after each object or container. */
  readonly progress?: ((progress: MigrationProgress) => void) | undefined;
  /** Begins nothing more once it is aborted; what is under way is finished. */
  readonly signal?: AbortSignal | undefined;
  /** Waits before a repeated request. Default: the system's timer. */
  readonly sleep?: ((ms: number) => Promise<void>) | undefined;
}

const optionNames = [
  "source",
  "target",
  "journal",
  "dryRun",
  "verify",
  "concurrency",
  "users",
  "progress",
  "signal",
  "sleep",
] as const satisfies readonly (keyof MigrationOptions)[];

/**
 * Copies all objects of one key manager's project to another's, with their
 * attributes, user metadata, read grants, consumers and, between Barbicans,
 * containers. Each gets an id of its own in the target.
 *
 * It may be killed at any instant, and called again: nothing is then made twice.
 * The creation time is not carried, as nothing can set it.
 *
 * @throws `KeyManagerError` if a side or the journal cannot be used; what fails
 * for one object is in the report
 */
export async function migrateKeys(options: MigrationOptions): Promise<MigrationReport> {
  const concurrency = checkedConcurrency(options);
  const source = adapterOf(options.source);
  const target = adapterOf(options.target);
  const [from, to] = await Promise.all([locationOf(options.source), locationOf(options.target)]);
  if (from === to) {
    throw new KeyManagerError(
      "invalid_argument",
      `migrate: source and target are the same: ${from}`,
    );
  }
  const path = typeof options.journal === "string" ? options.journal : options.journal(from, to);
  // A dry run leaves nothing behind, not even an empty journal.
  const kept = options.dryRun !== true || existsSync(path);
  const journal = new MigrationJournal(kept ? path : undefined, from, to);
  try {
    const copyOf = (id: ObjectId) => {
      const progress = journal.progress(id);
      return progress?.state === "done" ? progress.targetId : undefined;
    };
    const plan: CopyPlan = { source, target, users: options.users ?? new Map(), copyOf };
    const migrator = new Migrator({
      journal,
      concurrency,
      dryRun: options.dryRun === true,
      verify: options.verify === true,
      signal: options.signal,
      sleep: options.sleep ?? ((ms) => platformSleep(ms)),
    });
    return {
      source: from,
      target: to,
      journal: path,
      items: await carryAll(plan, migrator, options),
    };
  } finally {
    journal.close();
  }
}

async function carryAll(
  plan: CopyPlan,
  migrator: Migrator,
  { signal, progress }: MigrationOptions,
): Promise<readonly MigratedItem[]> {
  const { source, target } = plan;
  const objects = await Array.fromAsync(source.list({ signal }));
  const containers = (await source.containers?.list({ signal })) ?? [];
  const counted = target.containers === undefined ? 0 : containers.length;
  const total = objects.length + counted;
  let done = 0;
  const count = () => progress?.({ done: ++done, total });

  const listTarget = async () => {
    const listed = await Array.fromAsync(target.list({}));
    return listed.map((object) => ({ kind: "object" as const, id: object.id, object }));
  };
  const toTransfer = objects.map((object) => objectItem(plan, object));
  const settled = await migrator.carry(toTransfer, listTarget, count);
  const forms = new Map(objects.map((object) => [object.id, formOf(plan, object)]));
  const present = new Map((await listTarget()).map(({ id, object }) => [id, object]));
  const items = settled.map((item): MigratedItem => {
    const form = forms.get(item.sourceId);
    const copy = item.targetId === undefined ? undefined : present.get(item.targetId);
    if (form === undefined || copy === undefined) return item;
    const differing = differences(form, copy);
    return differing.length === 0 ? item : unlike(item, differing);
  });
  if (source.containers === undefined || target.containers === undefined) {
    return [...items, ...containers.map(withoutPlace)];
  }
  const adapters = { source: source.containers, target: target.containers };
  const listContainers = async () => {
    const listed = await adapters.target.list({});
    return listed.map((container) => ({ kind: "container" as const, id: container.id, container }));
  };
  const containersToTransfer = containers.map((container) =>
    containerItem(plan, adapters, container),
  );
  return [...items, ...(await migrator.carry(containersToTransfer, listContainers, count))];
}

function unlike(item: MigratedItem, differing: readonly string[]): MigratedItem {
  const reason = `the target changed its ${differing.join(", ")}`;
  const error = new KeyManagerError("integrity", `object ${item.targetId}: ${reason}`);
  return { ...item, outcome: "failed", reason, error };
}

function withoutPlace(container: {
  readonly id: ObjectId;
  readonly name: string | undefined;
  readonly type: string;
}): MigratedItem {
  const { id: sourceId, name, type } = container;
  return {
    kind: "container",
    sourceId,
    targetId: undefined,
    name,
    type,
    outcome: "skipped",
    reason: "the target has no containers",
    error: undefined,
  };
}

function locationOf({ keyManager, caller }: MigrationSide): Promise<string> {
  return keyManager.location(caller);
}

function adapterOf({ keyManager, caller }: MigrationSide): MigrationAdapter {
  return keyManager instanceof BarbicanKeyManager
    ? new BarbicanAdapter(keyManager, caller)
    : new KeyManagerAdapter(keyManager, caller);
}

function checkedConcurrency(options: MigrationOptions): number {
  refuseUnknownOptions("migrateKeys", options, optionNames);
  const { concurrency = 8 } = options;
  if (Number.isSafeInteger(concurrency) && concurrency >= 1 && concurrency <= 64) {
    return concurrency;
  }
  throw new KeyManagerError("invalid_argument", "migrateKeys: concurrency must be 1 to 64");
}
