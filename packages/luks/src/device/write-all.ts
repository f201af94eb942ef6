import type { FileHandle } from "node:fs/promises";

/**
 * Writes all bytes. The system writes a part, and reports no error, where the file system is nearly full.
 *
 * @throws the system's error
 */
export async function writeAll(
  handle: FileHandle,
  bytes: Uint8Array,
  offset: number,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.length - done;
    done += (await handle.write(bytes, done, rest, offset + done)).bytesWritten;
  }
}
