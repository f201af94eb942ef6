import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineWriter } from "../src/observe/line-writer.ts";

/** A file that takes what `take` says of each write: so many bytes, or an error by its code. */
function fileThat(take: (bytes: Uint8Array) => number | string) {
  const file = { text: "", writes: 0 };
  const writer = new LineWriter({
    descriptor: 99,
    lost: (lines) => `lost ${lines}\n`,
    write: async (_descriptor, bytes) => {
      file.writes += 1;
      const taken = take(bytes);
      if (typeof taken === "string") throw Object.assign(new Error(taken), { code: taken });
      file.text += Buffer.from(bytes.subarray(0, taken)).toString("latin1");
      return { bytesWritten: taken };
    },
  });
  return { file, writer };
}

describe("a line writer", () => {
  it("writes many lines at once, in order, also those that come meanwhile", async () => {
    const { file, writer } = fileThat(({ length }) => length);
    const lines = Array.from({ length: 5_000 }, (_, n) => `line ${n} ${"x".repeat(20)}\n`);
    for (const [n, line] of lines.entries()) {
      writer.add(line);
      if (n % 1_000 === 0) await Promise.resolve();
    }
    await writer.flush();
    assert.equal(file.text, lines.join(""));
    assert.ok(file.writes < 20, `${file.writes} writes`);
  });

  it("goes on where a write ended early, and waits for a pipe that is full", async () => {
    let turn = 0;
    const { file, writer } = fileThat(({ length }) =>
      ++turn % 3 === 0 ? "EAGAIN" : Math.min(length, 4),
    );
    writer.add("one and two\n");
    writer.add("three\n");
    await writer.flush();
    assert.equal(file.text, "one and two\nthree\n");
  });

  it("counts what a full disk does not take, and says so when there is room", async () => {
    let full = true;
    const { file, writer } = fileThat(({ length }) => (full ? "ENOSPC" : length));
    writer.add("one\n");
    writer.add("two\n");
    await writer.flush();
    writer.add("three\n");
    await writer.flush();
    full = false;
    writer.add("four\n");
    await writer.flush();
    assert.equal(file.text, "\nlost 3\nfour\n");
  });

  it("keeps no more than it may while nobody reads", async () => {
    let release: (() => void) | undefined;
    let text = "";
    const writer = new LineWriter({
      descriptor: 99,
      lost: (lines) => `lost ${lines}\n`,
      write: async (_descriptor, bytes) => {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        text = Buffer.from(bytes.subarray(0, 20)).toString();
        return { bytesWritten: bytes.length };
      },
    });
    const line = `${"x".repeat(1 << 20)}\n`;
    // One is being written, eight wait.
    for (let n = 0; n < 13; n += 1) writer.add(line);
    const flushed = writer.flush();
    release?.();
    await new Promise((resolve) => setImmediate(resolve));
    release?.();
    await flushed;
    assert.match(text, /^\nlost 4\n/);
  });
});
