import { fstatSync, read } from "node:fs";
import { Socket } from "node:net";
import { isatty } from "node:tty";
import { promisify } from "node:util";
import { VolumeError } from "@chatelaine/volumes";
import { ByteReader } from "./byte-reader.ts";
import type { TerminalInput } from "./terminal.ts";

/**
 * The process's standard input, by its descriptor: opening /dev/stdin fails for a socket (ENXIO) and for a pipe of
 * another user (EACCES). Reads only on demand.
 */
export function standardInput(): TerminalInput {
  const bytes = new ByteReader(chunks());
  if (!isatty(0)) return { bytes, isFile: fstatSync(0).isFile() };
  return { bytes, isFile: false, setRawMode: (isRaw) => void process.stdin.setRawMode(isRaw) };
}

async function* chunks(): AsyncIterable<Uint8Array> {
  const status = fstatSync(0);
  if (status.isFIFO() || status.isSocket() || isatty(0)) {
    const { stdin } = process;
    // Node.js shows nothing at all of what it does not know, such as a datagram socket.
    if (!(stdin instanceof Socket)) {
      throw new VolumeError("io", "read standard input: it is of a kind that cannot be read");
    }
    yield* stdin as AsyncIterable<Uint8Array>;
    return;
  }
  for (;;) {
    const chunk = Buffer.alloc(chunkBytes);
    const { bytesRead } = await promisify(read)(0, chunk, 0, chunk.length, null);
    if (bytesRead === 0) return;
    yield chunk.subarray(0, bytesRead);
  }
}

const chunkBytes = 64 * 1024;
