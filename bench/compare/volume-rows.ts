import { installPackages } from "../../interop/host/debian.ts";
import { median } from "../statistics.ts";
import { createVolumes, openInGuest } from "../volumes/programs.ts";
import { volumePackages } from "../volumes/volumes.ts";
import { type ComparisonOptions, type Samples, turnOf } from "./sides.ts";

/** Volumes that a round creates, and those that the guest opens. */
const [createdCount, openedCount] = [40, 100];

/** What `volumes` measures of our own code, without cryptsetup's. */
export async function compareVolumes(options: ComparisonOptions, samples: Samples): Promise<void> {
  installPackages(volumePackages, options.log);
  for (let round = 0; round < options.rounds; round++) {
    options.log(`volumes, round ${round + 1} of ${options.rounds}`);
    for (const side of turnOf(round)) {
      const checkout = options.checkouts[side];
      const { create, createKeys, attachKeys } = createVolumes(checkout, createdCount);
      samples.add("create a volume", "ms", side, median(create));
      samples.add("create: share of the key manager", "ms", side, median(createKeys));
      samples.add("attach: share of the key manager", "ms", side, median(attachKeys));
    }
    for (const side of turnOf(round)) {
      const { ours, oneByOne } = await openInGuest(options.checkouts[side], openedCount);
      samples.add(`open ${openedCount} volumes`, "ms", side, ours.ms);
      samples.add(`open ${openedCount}: memory of processes`, "MiB", side, ours.processesMiB);
      samples.add("open one volume", "ms", side, oneByOne.ms / oneByOne.count);
    }
  }
}
