import { VolumeError } from "@chatelaine/volumes";
import type { ByteReader } from "./byte-reader.ts";
import type { Terminal } from "./terminal.ts";

/** In bytes: more is not read from a terminal, here and in cryptsetup. */
export const maxTypedBytes = 512;

const [interrupt, endOfInput, backspace, lineFeed, carriageReturn, clear, del] = [
  3, 4, 8, 10, 13, 21, 127,
];

/**
 * Asks a person for one line, which is not shown. Backspace and Ctrl-U work; Ctrl-C gives up.
 *
 * @throws `invalid_argument` for more than 512 bytes, and if the person gives up
 */
export async function askHidden(terminal: Terminal, question: string): Promise<Uint8Array> {
  const { input } = terminal;
  if (input?.setRawMode === undefined) {
    throw new VolumeError(
      "invalid_argument",
      "ask for a passphrase: standard input is not a terminal",
    );
  }
  terminal.error(question);
  input.setRawMode(true);
  try {
    return await readLine(input.bytes);
  } finally {
    input.setRawMode(false);
    terminal.error("\n");
  }
}

async function readLine(keys: ByteReader): Promise<Uint8Array> {
  const line = new Uint8Array(maxTypedBytes);
  try {
    let length = 0;
    for (;;) {
      const [key] = await keys.take(1);
      switch (key) {
        case interrupt:
          throw new VolumeError("invalid_argument", "ask for a passphrase: interrupted");
        case undefined:
        case endOfInput:
        case lineFeed:
        case carriageReturn:
          return line.slice(0, length);
        case backspace:
        case del:
          length = withoutLastCharacter(line, length);
          break;
        case clear:
          length = 0;
          break;
        default:
          if (length === line.length) {
            throw new VolumeError(
              "invalid_argument",
              `ask for a passphrase: more than ${maxTypedBytes} bytes: use --passphrase-file`,
            );
          }
          line[length++] = key;
      }
    }
  } finally {
    line.fill(0);
  }
}

/** A character of UTF-8 has bytes of the form 10xxxxxx behind its first. */
function withoutLastCharacter(line: Uint8Array, length: number): number {
  let end = length;
  while (end > 0 && ((line[end - 1] ?? 0) & 0xc0) === 0x80) end--;
  return Math.max(0, end - 1);
}
