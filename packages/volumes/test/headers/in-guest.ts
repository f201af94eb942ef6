// Runs inside the guest kernel, as root: `node in-guest.ts FOLDER`. FOLDER has `sample.json`; a line of JSON comes out
// for each trial. /dev/ubda and those that follow are the scene's disks, the one after them is the victim.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ObjectId } from "@chatelaine/keys";
import { hostileHeader } from "../../../luks/test/hostile/hostile-header.ts";
import { openVolume, openVolumes, type VolumeContext } from "../../src/index.ts";
import { withHostileHeader } from "./change-header.ts";
import { judgeError, judgeMessage } from "./judge-error.ts";
import { judgeMapped } from "./judge-mapped.ts";
import { plaintextOf, readMedium, sha256, writeThrough } from "./medium.ts";
import { lookFor, takeMappings } from "./observe.ts";
import type { GuestLine, GuestSample, GuestTrial } from "./sample.ts";
import {
  type Place,
  Scene,
  type SceneDisk,
  sceneDiskBytes,
  sceneDisks,
  victimBytes,
} from "./scene.ts";
import { optionsOf } from "./try-in-process.ts";
import { type Verdict, violation } from "./verdict.ts";

const [folder = ""] = process.argv.slice(2);
const sample = JSON.parse(readFileSync(join(folder, "sample.json"), "utf8")) as GuestSample;
const places = Array.from({ length: sceneDisks + 1 }, (_, number) => placeOf(number));
const victim = places.at(-1) as Place;
prepareVictim();
const victimSum = sha256(readMedium(victim.path, victimBytes));
const scene = await Scene.make("/run", places, victim);

/** Either way to open a disk. @returns the mapping's name, or why there is none */
const openers = {
  openVolumes: async (context: VolumeContext, path: string) => {
    const [result] = await openVolumes(context, [path]);
    return { name: result?.opened?.name, problem: result?.problem };
  },
  openVolume: async (
    context: VolumeContext,
    path: string,
    options: { readonly keyId?: ObjectId },
  ) => {
    const { name } = await openVolume(context, path, undefined, options);
    return { name, problem: undefined };
  },
} as const;

type Way = Pick<GuestTrial, "by" | "setting">;

const ways: readonly Way[] = [
  { by: "openVolumes", setting: "row" },
  { by: "openVolume", setting: "named" },
  { by: "openVolume", setting: "row" },
  { by: "openVolumes", setting: "stranger" },
];

for (const disk of scene.disks) {
  for (const way of ways) {
    const { outcome } = await tryOne("honest", disk, way);
    // A proof that opens nothing proves nothing. A stranger may be refused: LUKS1 names no key.
    const mayRefuse = way.setting === "stranger";
    if (outcome === "violation" || (outcome === "refused" && !mayRefuse)) {
      throw new Error(`${disk.path}: an honest header: ${outcome}`);
    }
  }
}
for (const [number, index] of sample.indexes.entries()) {
  const header = hostileHeader(scene.disks, sample.seed, index);
  const disk = scene.disks[header.disk] as SceneDisk;
  // Two of the four ways, in turns, unless it is the only header.
  const some =
    sample.indexes.length === 1 ? ways : ways.slice(number % 2 === 0 ? 0 : 2).slice(0, 2);
  await withHostileHeader(disk, header, async () => {
    for (const way of some) await tryOne(index, disk, way);
  });
  await scene.forgetStrangers(disk);
}
await scene.close();
if (isVictimChanged()) throw new Error("the victim was changed while nothing was mapped");

async function tryOne(index: GuestTrial["index"], disk: SceneDisk, way: Way): Promise<Verdict> {
  print({ type: "begins", index, ...way });
  const verdict = await attempt(disk, way, `${index} ${way.by} ${way.setting}`);
  print({ type: "trial", index, ...way, verdict });
  return verdict;
}

async function attempt(disk: SceneDisk, { by, setting }: Way, trial: string): Promise<Verdict> {
  let name: string | undefined;
  let said: Verdict | undefined;
  try {
    const context = scene.context(setting);
    const result = await openers[by](context, disk.path, optionsOf(setting, disk));
    name = result.name;
    if (result.problem !== undefined) said = judgeMessage(result.problem);
  } catch (error) {
    said = judgeError(error);
  }
  const plaintext = plaintextOf(trial);
  const isWritten = name !== undefined && wrote(`/dev/mapper/${name}`, plaintext);
  const mappings = takeMappings();
  const written = isWritten ? lookFor(plaintext, disk, mappings) : undefined;
  // What mapped nothing wrote nothing; all the same, the victim is looked at in the end.
  const victimChanged = mappings.length > 0 && isVictimChanged();
  if (victimChanged) prepareVictim();
  if (scene.tookForeignKey()) return violation("fetches a key that only a token names");
  const verdict = judgeMapped(
    { opened: name, mappings, victimChanged, ...(written && { written }) },
    {
      setting,
      honest: disk.meaning,
      volumeKey: disk.volumeKey,
      device: disk.aim.self,
      diskBytes: sceneDiskBytes,
    },
  );
  return verdict.outcome === "refused" && said !== undefined ? said : verdict;
}

function wrote(device: string, bytes: Uint8Array): boolean {
  try {
    writeThrough(device, bytes);
    return true;
  } catch {
    return false;
  }
}

function prepareVictim(): void {
  writeThrough(victim.path, Buffer.alloc(victimBytes, "another tenant's data; "));
}

function isVictimChanged(): boolean {
  return sha256(readMedium(victim.path, victimBytes)) !== victimSum;
}

function placeOf(number: number): Place {
  const path = `/dev/ubd${String.fromCharCode("a".charCodeAt(0) + number)}`;
  const { rdev } = statSync(path);
  // makedev(3) of Linux, with the small numbers that the guest has.
  return { path, device: `${Math.floor(rdev / 256)}:${rdev % 256}` };
}

function print(line: GuestLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
