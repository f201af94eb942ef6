import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { VolumeError } from "@chatelaine/volumes";
import type { Terminal } from "./terminal.ts";

/**
 * Lends the bytes of a passphrase file, as they are (cryptsetup's --key-file does the same), and overwrites them.
 *
 * @param file `-` is standard input
 */
export async function withPassphraseFile<T>(
  terminal: Terminal,
  file: string,
  use: (passphrase: Uint8Array) => Promise<T>,
): Promise<T> {
  const bytes = await readFile(pathOf(terminal, file)).catch((cause: NodeJS.ErrnoException) => {
    throw new VolumeError("io", `read ${file}: ${cause.code ?? "failed"}`, { cause });
  });
  try {
    return await use(bytes);
  } finally {
    bytes.fill(0);
  }
}

function pathOf(terminal: Terminal, file: string): string {
  if (file === "-") return "/dev/stdin";
  return isAbsolute(file) ? file : join(terminal.workingDirectory, file);
}
