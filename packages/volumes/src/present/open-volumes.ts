import { parseUuid, readLuks, type VolumeKey } from "@chatelaine/luks";
import { type CryptTable, mapTogether } from "../host/crypt-table.ts";
import { luksMappingOf } from "../host/disk-use.ts";
import { isSimple, luksTable } from "../host/luks-table.ts";
import { devicePath } from "../host/mapping.ts";
import { messageOf, VolumeError } from "../model/errors.ts";
import { projectOf, type VolumeContext } from "../model/volume-context.ts";
import { unlockVolume } from "../volume/verify-volume.ts";
import { type OpenedVolume, openVolume, volumeMapping } from "./open-volume.ts";

/** What came of one volume. */
export interface OpenResult {
  readonly path: string;
  /** Undefined if there is a problem. */
  readonly opened: OpenedVolume | undefined;
  readonly problem: string | undefined;
}

/** How many keys are asked for at once. */
const concurrency = 8;

/**
 * Maps many volumes at once, as `openVolume` maps one: a hundred in seconds. What is
 * open stays as it is, whatever it is called. One volume's failure keeps no other from it.
 *
 * Our own code proves and opens their key slots, and one run of dmsetup maps all
 * block devices among them; cryptsetup maps what is not as simple as that, such as
 * files, which need a loop device, and disks with integrity.
 *
 * @param paths default: all volumes of the context's project that the ledger has
 * @returns a result for each, in the order of `paths`
 */
export async function openVolumes(
  context: VolumeContext,
  paths?: readonly string[],
): Promise<readonly OpenResult[]> {
  const wanted = paths ?? (await recordedPaths(context));
  const ready = await inParallel(wanted, (path) => prepare(context, path));
  const tables = ready.flatMap(({ table }) => (table === undefined ? [] : [table]));
  let mapped: ReadonlySet<CryptTable>;
  try {
    mapped = await mapTogether(tables);
  } finally {
    for (const { volumeKey } of ready) volumeKey?.destroy();
  }
  const results: OpenResult[] = [];
  for (const { path, id, table, opened, problem } of ready) {
    if (problem !== undefined) results.push({ path, opened: undefined, problem });
    else if (opened !== undefined) results.push({ path, opened, problem });
    else if (id !== undefined && table !== undefined && mapped.has(table)) {
      const { name } = table;
      results.push({ path, opened: { id, name, device: devicePath(name) }, problem });
    } else results.push(await openAlone(context, path));
  }
  return results;
}

async function recordedPaths(context: VolumeContext): Promise<readonly string[]> {
  const { host } = context.ledger;
  const filter = { kind: "volume", project: projectOf(context), host } as const;
  const records = await context.ledger.volumes(filter);
  return records.filter(({ state }) => state === "ready").map(({ location }) => location);
}

/** What can be mapped with the others, or why it cannot be opened at all; neither is for cryptsetup. */
interface Ready {
  readonly path: string;
  readonly id?: string;
  readonly table?: CryptTable | undefined;
  readonly volumeKey?: VolumeKey;
  /** Under a name that somebody gave it. */
  readonly opened?: OpenedVolume;
  readonly problem?: string;
}

async function prepare(context: VolumeContext, path: string): Promise<Ready> {
  try {
    const shown = await luksMappingOf(path);
    if (shown !== undefined) {
      const { name } = shown;
      // In the middle of a re-encryption by cryptsetup it is open, and no header to check.
      const id = parseUuid((await readLuks(path)).uuid);
      if (id === undefined) throw new VolumeError("mismatch", `open ${path}: it has no UUID`);
      return { path, opened: { id, name, device: devicePath(name) } };
    }
    const { volume, volumeKey, header } = await unlockVolume(context, path);
    if (!isSimple(header)) {
      volumeKey.destroy();
      return { path };
    }
    const table = luksTable(path, volumeMapping(header.uuid), header, volumeKey);
    return { path, id: volume.id, volumeKey, table };
  } catch (error) {
    return { path, problem: messageOf(error) };
  }
}

async function openAlone(context: VolumeContext, path: string): Promise<OpenResult> {
  try {
    return { path, opened: await openVolume(context, path), problem: undefined };
  } catch (error) {
    return { path, opened: undefined, problem: messageOf(error) };
  }
}

async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index] as Item);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}
