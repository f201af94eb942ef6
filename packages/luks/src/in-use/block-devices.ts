import { basename, dirname } from "node:path";
import { kernelLink, kernelNames, kernelText } from "./kernel-files.ts";

// What sysfs says of block devices, each by the kernel's own name for it, such as `dm-0` (Linux, admin-guide/sysfs-rules).

const folder = "/sys/class/block";

/** @param number `MAJOR:MINOR` */
export function kernelNameOf(number: string): string | undefined {
  const link = kernelLink(`/sys/dev/block/${number}`);
  return link && basename(link);
}

/** Empty if the device has no such attribute. */
export function attributeOf(name: string, attribute: string): string {
  return kernelText(`${folder}/${name}/${attribute}`);
}

/** What device-mapper, MD and the like have made of it. */
export function holdersOf(name: string): readonly string[] {
  return kernelNames(`${folder}/${name}/holders`);
}

export function partitionsOf(name: string): readonly string[] {
  const isPartition = (entry: string) =>
    entry.startsWith(name) && attributeOf(entry, "partition") !== "";
  return kernelNames(`${folder}/${name}`).filter(isPartition);
}

/** The disk that a partition is a part of. */
export function wholeOf(name: string): string | undefined {
  if (attributeOf(name, "partition") === "") return undefined;
  const link = kernelLink(`${folder}/${name}`);
  return link && basename(dirname(link));
}

/** The path under which people know it. */
export function nodeOf(name: string): string {
  const mapping = attributeOf(name, "dm/name");
  return mapping === "" ? `/dev/${name.replaceAll("!", "/")}` : `/dev/mapper/${mapping}`;
}

/** The device and everything that lies on it, at any height. */
export function upwardsOf(name: string): readonly string[] {
  const found = new Set([name]);
  for (const device of found) {
    for (const above of [...partitionsOf(device), ...holdersOf(device)]) found.add(above);
  }
  return [...found];
}

/** The device and everything that it lies on, at any depth. */
export function belowOf(name: string): readonly string[] {
  const found = new Set([name]);
  for (const device of found) {
    const whole = wholeOf(device);
    if (whole !== undefined) found.add(whole);
    for (const below of kernelNames(`${folder}/${device}/slaves`)) found.add(below);
  }
  return [...found];
}
