import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type DiskIdentity as FoundIdentity, identitiesAt } from "@chatelaine/luks";

declare const brand: unique symbol;

/**
 * Which disk a path leads to, whatever it is called: the number of a block device, or file system and inode of a file.
 * The numbers may be others after a restart: compare two, and keep none.
 */
export type DiskIdentity = string & { readonly [brand]: "disk identity" };

/**
 * A loop device that shows the whole of a file is that file.
 *
 * @returns undefined if nothing is there, or neither a file nor a block device, or its file server gives no answer
 */
export async function diskIdentity(path: string): Promise<DiskIdentity | undefined> {
  return (await diskIdentities([path]))[0];
}

/** As {@link diskIdentity}, of many paths, in their order. Each file server is asked once. */
export async function diskIdentities(
  paths: readonly string[],
): Promise<readonly (DiskIdentity | undefined)[]> {
  const found = await identitiesAt(paths.map((path) => resolve(path)));
  const files = await Promise.all(found.map(fileBehind));
  const shown = await identitiesAt(files.filter((file) => file !== undefined));
  const behind = shown.values();
  return found.map((identity, index) => {
    const file = files[index] === undefined ? undefined : behind.next().value;
    return nameOf(file?.type === "file" ? file : identity);
  });
}

/** True if both paths lead to the same disk; false if either leads to none. */
export async function isSameDisk(one: string, other: string): Promise<boolean> {
  const [first, second] = await diskIdentities([one, other]);
  return first !== undefined && first === second;
}

function nameOf(identity: FoundIdentity | undefined): DiskIdentity | undefined {
  if (identity === undefined) return undefined;
  const { type } = identity;
  const name = type === "file" ? `${identity.dev}:${identity.ino}` : identity.number;
  return `${type} ${name}` as DiskIdentity;
}

/** The path of the file that a loop device shows from its first byte to its last. */
async function fileBehind(identity: FoundIdentity | undefined): Promise<string | undefined> {
  if (identity?.type !== "device") return undefined;
  const attribute = (name: string) =>
    readFile(`/sys/dev/block/${identity.number}/loop/${name}`, "utf8").then(
      (text) => text.replace(/\n$/, ""),
      () => "",
    );
  const file = await attribute("backing_file");
  if (!file.startsWith("/") || (await attribute("offset")) !== "0") return undefined;
  return (await attribute("sizelimit")) === "0" ? file : undefined;
}
