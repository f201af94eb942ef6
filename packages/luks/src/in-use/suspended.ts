import { stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { LuksError } from "../errors.ts";
import { attributeOf, belowOf, kernelNameOf, nodeOf } from "./block-devices.ts";
import { deviceNumber } from "./identity.ts";

/** LVM suspends devices for moments, as when it takes a snapshot. */
const patienceMs = 3000;
const pauseMs = 50;

/**
 * Refuses a disk that device-mapper has suspended, or that lies on such a device: a read would wait until a user resumes
 * it, and nothing could end this process meanwhile. Waits three seconds first.
 *
 * @throws `busy`, with what to resume; the system's error if nothing is at the path
 */
export async function requireAnswering(operation: string, path: string): Promise<void> {
  const status = await stat(path, { bigint: true });
  const number = deviceNumber(status.isBlockDevice() ? status.rdev : status.dev);
  const until = performance.now() + patienceMs;
  for (;;) {
    const name = suspendedAtOrBelow(number);
    if (name === undefined) return;
    if (performance.now() > until) {
      throw new LuksError(
        "busy",
        `${operation} ${path}: ${nodeOf(name)} is suspended, so reads would hang; first run dmsetup resume ${attributeOf(name, "dm/name")}`,
      );
    }
    await setTimeout(pauseMs);
  }
}

/** @param number `MAJOR:MINOR` @returns the kernel's name of the device that is suspended */
export function suspendedAtOrBelow(number: string): string | undefined {
  const name = kernelNameOf(number);
  if (name === undefined) return undefined;
  return belowOf(name).find((one) => attributeOf(one, "dm/suspended") === "1");
}
