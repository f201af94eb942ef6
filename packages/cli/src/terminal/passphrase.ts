import { type FileHandle, open } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { maxPassphraseBytes } from "@chatelaine/luks";
import { VolumeError } from "@chatelaine/volumes";
import { ByteReader } from "./byte-reader.ts";
import type { Terminal } from "./terminal.ts";
import { askHidden } from "./terminal-prompt.ts";

/**
 * Where a passphrase comes from. The rules are cryptsetup's, so that a disk opens here with what opens it there:
 *
 * - `file`: all bytes of a file, newlines included; or so many from an offset on.
 * - `input`: the same of standard input, to its end.
 * - `line`: standard input up to its first newline, which is no part of it. A person at a terminal is asked.
 */
export type PassphraseSource =
  | ({ readonly type: "file"; readonly path: string } & Part)
  | ({ readonly type: "input" } & Part)
  | { readonly type: "line" };

interface Part {
  /** In bytes, skipped at the beginning. */
  readonly offset: number;
  /** In bytes. Undefined: to the end. */
  readonly size: number | undefined;
}

/** What a person at a terminal is asked. */
export interface Question {
  readonly text: string;
  /** A new passphrase is asked for twice. */
  readonly isNew: boolean;
  /** The one that names a file instead. */
  readonly flag: string;
}

/**
 * Reads a passphrase, at most 8 MiB. Overwrite it after use.
 *
 * An empty file is an empty passphrase. An empty pipe is an error: the program that writes to it has failed.
 *
 * @throws `invalid_argument`, `io`
 */
export async function readPassphrase(
  terminal: Terminal,
  source: PassphraseSource,
  question: Question,
): Promise<Uint8Array> {
  switch (source.type) {
    case "file":
      return readFromFile(terminal, source);
    case "input":
      return readInput(terminal, source, question);
    case "line":
      return readLine(terminal, question);
  }
}

/** True if both are the same bytes of the same file, or of standard input, which is then read once. */
export function isSameSource(one: PassphraseSource, other: PassphraseSource): boolean {
  if (one.type === "line" || other.type === "line") return false;
  if (one.offset !== other.offset || one.size !== other.size) return false;
  if (one.type === "input") return other.type === "input";
  return other.type === "file" && other.path === one.path;
}

async function readFromFile(
  { workingDirectory }: Terminal,
  { path, offset, size }: Extract<PassphraseSource, { type: "file" }>,
): Promise<Uint8Array> {
  const whole = isAbsolute(path) ? path : join(workingDirectory, path);
  const file = await open(whole, "r").catch((cause: unknown) => {
    throw readError(path, cause);
  });
  try {
    const status = await file.stat();
    const isFile = status.isFile();
    if (isFile && status.size < offset) throw tooShort(path, offset);
    // Of a pipe, the bytes before the offset have to be read.
    const start = isFile || status.isBlockDevice() ? offset : undefined;
    const reader = new ByteReader(chunksOf(file, start));
    return await readPart(path, reader, { offset: offset - (start ?? 0), size }, isFile);
  } finally {
    await file.close();
  }
}

/** @param start of what has positions */
async function* chunksOf(file: FileHandle, start: number | undefined): AsyncIterable<Uint8Array> {
  for (let done = 0; ; ) {
    const chunk = Buffer.alloc(chunkBytes);
    const position = start === undefined ? null : start + done;
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
    if (bytesRead === 0) return;
    done += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

const chunkBytes = 64 * 1024;

async function readInput(terminal: Terminal, part: Part, question: Question): Promise<Uint8Array> {
  const { input } = terminal;
  if (input?.setRawMode === undefined) {
    return readPart("standard input", inputOf(terminal), part, input?.isFile === true);
  }
  if (part.offset === 0 && part.size === undefined) return ask(terminal, question);
  throw refusal("standard input", "a terminal has no --passphrase-offset and --passphrase-size");
}

async function readPart(
  name: string,
  reader: ByteReader,
  { offset, size }: Part,
  mayBeEmpty: boolean,
): Promise<Uint8Array> {
  const most = size ?? maxPassphraseBytes + 1;
  let bytes: Uint8Array;
  try {
    if ((await reader.skip(offset)) < offset) {
      throw tooShort(name, offset);
    }
    bytes = await reader.take(most);
  } catch (cause) {
    throw readError(name, cause);
  }
  const problem = problemOf(bytes.length, size, mayBeEmpty);
  if (problem === undefined) return bytes;
  bytes.fill(0);
  throw refusal(name, problem);
}

function problemOf(length: number, size: number | undefined, mayBeEmpty: boolean) {
  if (size !== undefined && length < size) {
    return `it has ${length} bytes, and --passphrase-size asks for ${size}`;
  }
  if (length > maxPassphraseBytes) {
    return "it has more than 8 MiB: name the part that is the passphrase with --passphrase-size";
  }
  return length === 0 && !mayBeEmpty ? "it ended before a passphrase came" : undefined;
}

async function readLine(terminal: Terminal, question: Question): Promise<Uint8Array> {
  if (terminal.input?.setRawMode !== undefined) return ask(terminal, question);
  const line = await inputOf(terminal)
    .takeLine(maxPassphraseBytes)
    .catch((cause: unknown) => {
      throw readError("standard input", cause);
    });
  if (line === undefined) {
    throw refusal("standard input", `it ended before a passphrase came: give ${question.flag}`);
  }
  if (line.length <= maxPassphraseBytes) return line;
  line.fill(0);
  throw refusal("standard input", "its first line has more than 8 MiB");
}

async function ask(terminal: Terminal, { text, isNew }: Question): Promise<Uint8Array> {
  const passphrase = await askHidden(terminal, `${text}: `);
  if (!isNew) return passphrase;
  const again = await askHidden(terminal, `${text}, again: `);
  const isSame = Buffer.compare(passphrase, again) === 0;
  again.fill(0);
  if (isSame) return passphrase;
  passphrase.fill(0);
  throw new VolumeError("invalid_argument", `${text}: the two are not the same`);
}

function inputOf({ input }: Terminal): ByteReader {
  if (input !== undefined) return input.bytes;
  throw refusal("standard input", "it is empty: give --passphrase-file");
}

function refusal(name: string, reason: string): VolumeError {
  return new VolumeError("invalid_argument", `read passphrase from ${name}: ${reason}`);
}

function readError(name: string, cause: unknown): VolumeError {
  if (cause instanceof VolumeError) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  return new VolumeError("io", `read passphrase from ${name}: ${code ?? "failed"}`, { cause });
}

function tooShort(name: string, offset: number): VolumeError {
  return refusal(name, `it ends before byte ${offset}: give a smaller --passphrase-offset`);
}
