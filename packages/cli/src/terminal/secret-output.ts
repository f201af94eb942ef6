import { open, rm } from "node:fs/promises";
import type { SecretBytes } from "@chatelaine/keys";
import { VolumeError } from "@chatelaine/volumes";
import type { Terminal } from "./terminal.ts";

/**
 * Writes an object's bytes where the user said: to standard output for `-`, else
 * to a new file that only its owner may read.
 *
 * @throws `exists` if there is such a file: a key is never overwritten
 */
export async function writeSecret(
  terminal: Terminal,
  target: string,
  value: SecretBytes,
): Promise<void> {
  if (target === "-") {
    // The terminal writes later, so it gets a copy of its own.
    value.use((bytes) => terminal.out(Uint8Array.from(bytes)));
    return;
  }
  const file = await open(target, "wx", 0o600).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === "EEXIST"
      ? new VolumeError("exists", `write ${target}: it exists already, and is not overwritten`, {
          cause,
        })
      : new VolumeError("io", `write ${target}: ${cause.message}`, { cause });
  });
  try {
    await value.use((bytes) => file.writeFile(bytes));
    await file.sync();
  } catch (cause) {
    await rm(target, { force: true });
    throw new VolumeError("io", `write ${target}: ${(cause as Error).message}`, { cause });
  } finally {
    await file.close();
  }
}
