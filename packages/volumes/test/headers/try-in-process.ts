import type { ObjectId } from "@chatelaine/keys";
import { checkHeader, layoutOf } from "@chatelaine/luks";
import { fieldNames, type HostileHeader } from "../../../luks/test/hostile/hostile-header.ts";
import {
  importVolume,
  libvirtDisk,
  type VerifiedVolume,
  type VolumeContext,
  verifyVolume,
} from "../../src/index.ts";
import { headerOf, withHostileHeader } from "./change-header.ts";
import { judgeError } from "./judge-error.ts";
import { judgeVerified } from "./judge-verified.ts";
import { readingsOf, uuidPattern } from "./meaning.ts";
import { type Scene, type SceneDisk, sceneDiskBytes } from "./scene.ts";
import { accepted, type Setting, type Verdict, violation } from "./verdict.ts";

/** A way to hand a disk to the library, and what came of it. */
export interface Trial {
  readonly by: "verify" | "import" | "libvirt";
  readonly setting: Setting;
  readonly verdict: Verdict;
}

/** Hands a disk with a hostile header to the library, in every way that maps nothing. */
export async function tryInProcess(scene: Scene, header: HostileHeader): Promise<readonly Trial[]> {
  const disk = scene.disks[header.disk] as SceneDisk;
  return withHostileHeader(disk, header, async () => {
    const trials: Trial[] = [];
    for (const setting of ["row", "stranger", "named"] as const) {
      const context = scene.context(setting);
      const options = optionsOf(setting, disk);
      const verify = (path: string) => verifyVolume(context, path, options);
      const verdict = await attempt(scene, disk, setting, verify);
      trials.push({ by: "verify", setting, verdict });
      if (disk.version === 1 && verdict.outcome !== "refused") {
        trials.push({ by: "libvirt", setting, verdict: await tryLibvirt(context, disk, setting) });
      }
    }
    if (isImported(header.index)) {
      trials.push({ by: "import", setting: "named", verdict: await tryImport(scene, disk) });
    }
    return trials;
  });
}

/** What the caller adds. */
export function optionsOf(setting: Setting, { keyId }: SceneDisk): { readonly keyId?: ObjectId } {
  return setting === "named" ? { keyId } : {};
}

/** Importing costs as much as all else: each value of each field comes to it in one of four rounds. */
function isImported(index: number): boolean {
  return (index + Math.floor(index / fieldNames.length)) % 4 === 0;
}

async function tryImport(scene: Scene, disk: SceneDisk): Promise<Verdict> {
  const context = scene.context("named");
  const importIt = (path: string) => importVolume(context, path, disk.keyId);
  const verdict = await attempt(scene, disk, "named", importIt);
  const rows = await context.ledger.volumes();
  await scene.forgetStrangers(disk);
  return verdict.outcome === "refused" && rows.length > 0
    ? violation("refuses, and leaves a row in the ledger")
    : verdict;
}

async function attempt(
  scene: Scene,
  { path, meaning }: SceneDisk,
  setting: Setting,
  call: (path: string) => Promise<VerifiedVolume>,
): Promise<Verdict> {
  let volume: VerifiedVolume | undefined;
  let verdict: Verdict;
  try {
    volume = await call(path);
    const header = await checkHeader(path);
    const { ivTweak } = header.segment;
    const bytes = layoutOf(header).size;
    const readings = readingsOf(headerOf(path), sceneDiskBytes, volume.openedSlot);
    verdict = judgeVerified(setting, meaning, readings, { ...volume, bytes, ivTweak });
  } catch (error) {
    verdict =
      volume === undefined ? judgeError(error) : violation("accepts what checkHeader refuses");
  }
  // Also where it refuses then: the attacker's key has been in use.
  return scene.tookForeignKey() ? violation("fetches a key that only a token names") : verdict;
}

/** A header's UUID is in the XML: nothing else may be. */
async function tryLibvirt(
  context: VolumeContext,
  disk: SceneDisk,
  setting: Setting,
): Promise<Verdict> {
  try {
    const { secretId, secretXml, diskXml } = await libvirtDisk(
      context,
      disk.path,
      optionsOf(setting, disk),
    );
    const isOurs = uuidPattern.test(secretId) && !/[<>&'"]/.test(secretId);
    const xml = `${secretXml}${diskXml}`.replaceAll(secretId, "");
    const elements = xml.match(/<\w+/g)?.length;
    return isOurs && elements === honestElements
      ? accepted(setting)
      : violation("writes the header's text into XML");
  } catch (error) {
    return judgeError(error);
  }
}

/** Elements in the XML of an honest disk and of its secret. */
const honestElements = 11;
