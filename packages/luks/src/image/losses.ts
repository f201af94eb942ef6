import { LuksError } from "../errors.ts";
import type { CheckedDisk } from "../format/disk.ts";
import { carryOverOf } from "../luks2/carry-over.ts";
import { CheckedLuks2Disk } from "../luks2/checked-disk.ts";

/**
 * What LUKS1 cannot hold of a LUKS2 header:
 *
 * - `label`: label or subsystem;
 * - `flags`: persistent flags, such as allow-discards;
 * - `tokens`: those of other programs, and ours, which names the key in the key manager;
 * - `slots`: key slots that hold other keys than that of the data;
 * - `unknown`: members of the JSON that no specification has.
 */
export type HeaderLoss = "label" | "flags" | "tokens" | "slots" | "unknown";

const knownMembers = new Set(["keyslots", "tokens", "segments", "digests", "config"]);
const knownConfig = new Set(["json_size", "keyslots_size", "flags", "requirements"]);

/** @throws `unsupported` if a conversion to LUKS1 in place would lose what is not in `allowed` */
export function requireNoLoss(
  operation: string,
  name: string,
  disk: CheckedDisk,
  allowed: readonly string[],
): void {
  const lost = lossesOf(disk).filter((loss) => !allowed.includes(loss));
  if (lost.length === 0) return;
  throw new LuksError(
    "unsupported",
    `${operation} ${name}: LUKS1 cannot hold what its header has (${lost.join(", ")}): remove it first, allow its loss, or convert into a new file`,
  );
}

function lossesOf(disk: CheckedDisk): readonly HeaderLoss[] {
  if (!(disk instanceof CheckedLuks2Disk)) return [];
  const { metadata } = disk.raw;
  const { label, subsystem, flags, tokens } = disk.header;
  const has: Readonly<Record<HeaderLoss, boolean>> = {
    label: label !== "" || subsystem !== "",
    flags: flags.length > 0,
    tokens: tokens.length > 0,
    slots: Object.keys(carryOverOf(disk).slots).length > 0,
    unknown:
      Object.keys(metadata).some((member) => !knownMembers.has(member)) ||
      Object.keys(metadata.config).some((member) => !knownConfig.has(member)),
  };
  return (Object.keys(has) as HeaderLoss[]).filter((loss) => has[loss]);
}
