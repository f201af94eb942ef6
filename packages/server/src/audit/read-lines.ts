import { createReadStream } from "node:fs";

/** In bytes, far more than any entry has. */
const maxLineBytes = 4_194_304;

const lineFeed = 0x0a;

/**
 * The lines of a file, without their line feeds. Bounded in memory, whatever the file holds.
 *
 * @throws RangeError if a line is too long, or if the last one has no line feed
 */
export async function* readLines(path: string): AsyncGenerator<string> {
  const rest: Buffer[] = [];
  let size = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let begin = 0;
    for (;;) {
      const end = chunk.indexOf(lineFeed, begin);
      const piece = chunk.subarray(begin, end === -1 ? undefined : end);
      size += piece.length;
      if (size > maxLineBytes) throw new RangeError("a line is too long");
      rest.push(piece);
      if (end === -1) break;
      yield Buffer.concat(rest.splice(0)).toString("utf8");
      size = 0;
      begin = end + 1;
    }
  }
  if (size > 0) throw new RangeError("the last line is cut off");
}
