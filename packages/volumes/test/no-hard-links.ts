import type * as fsPromises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

type Fs = typeof fsPromises;

/**
 * Simulates a file system without hard links in this process: link(2) fails there with EPERM (vfat, exFAT), ENOTSUP
 * (SMB) or ENOSYS (FUSE), and everything else works. The suite `kernel-disks` does the same on a real vfat.
 *
 * @returns what ends it
 */
export function refuseHardLinks(code: string): () => void {
  return replaceInFs("link", () => async () => {
    throw Object.assign(new Error(`${code}: link`), { code });
  });
}

/** Replaces a function of node:fs/promises for all modules that import it. @returns what puts it back */
export function replaceInFs<Name extends "link" | "open" | "rename">(
  name: Name,
  make: (original: Fs[Name]) => Fs[Name],
): () => void {
  const promises: Fs = process.getBuiltinModule("node:fs/promises");
  const original = promises[name];
  Reflect.set(promises, name, make(original));
  syncBuiltinESMExports();
  return () => {
    Reflect.set(promises, name, original);
    syncBuiltinESMExports();
  };
}
