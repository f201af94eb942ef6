import { readdirSync, readFileSync, readlinkSync } from "node:fs";

// procfs and sysfs are in memory: reading them waits for no disk, and a synchronous call costs a tenth of the other kind.

/** @returns an empty text for what is not there, or what this process may not read */
export function kernelText(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/\n$/, "");
  } catch {
    return "";
  }
}

/** The names in a folder; none if it is not there. */
export function kernelNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Where a link leads, in the kernel's words. */
export function kernelLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Undoes the `\040` of mountinfo and swaps (proc(5)). */
export function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** For messages: names of processes and files are their owners' choice. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, "?");
}
