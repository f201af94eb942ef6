import { maxPassphraseBytes } from "@chatelaine/luks";
import { VolumeError } from "@chatelaine/volumes";
import { type Command, InvalidArgumentError, Option } from "commander";
import { isSameSource, type PassphraseSource, readPassphrase } from "./passphrase.ts";
import type { Terminal } from "./terminal.ts";

/** The source of the passphrase that opens a disk. */
export interface PassphraseFlags {
  readonly passphraseFile?: string;
  readonly passphraseOffset?: number;
  readonly passphraseSize?: number;
}

/** The sources of the passphrases of a new slot. */
export interface NewPassphraseFlags extends PassphraseFlags {
  readonly newPassphraseFile?: string;
  readonly newPassphraseOffset?: number;
  readonly newPassphraseSize?: number;
}

/** A passphrase of a slot to make. */
export interface NewPassphrase {
  readonly passphrase: Uint8Array;
  /** It is the passphrase that opens the disk already, which may be empty then. */
  readonly isSame: boolean;
}

/** `--passphrase-file`, `--passphrase-offset` and `--passphrase-size`; cryptsetup's names of the last two work, too. */
export function addPassphraseFlags(command: Command): Command {
  return addFlags(
    command,
    "passphrase",
    "file whose bytes are the passphrase, or - for all of standard input (default: the first line of standard input, without its newline)",
  );
}

/** The same for a new passphrase. @param byDefault what it is without a flag */
export function addNewPassphraseFlags(command: Command, byDefault: string): Command {
  return addFlags(command, "newPassphrase", `file with the new passphrase (default: ${byDefault})`);
}

/** Lends the passphrase that opens a disk, and overwrites it. @param subject what a person is asked for, such as a path */
export async function withPassphrase<T>(
  terminal: Terminal,
  flags: PassphraseFlags,
  subject: string,
  use: (passphrase: Uint8Array) => Promise<T>,
  { isNew = false }: { readonly isNew?: boolean } = {},
): Promise<T> {
  const text = `${isNew ? "new passphrase" : "passphrase"} for ${subject}`;
  const passphrase = await readPassphrase(terminal, sourceOf(flags), {
    text,
    isNew,
    flag: "--passphrase-file",
  });
  try {
    return await use(passphrase);
  } finally {
    passphrase.fill(0);
  }
}

/** What two passphrases are read for. */
export interface Asked {
  /** Such as a path. */
  readonly subject: string;
  /** What the new passphrase is without a flag: the `same`, or the next `line` of standard input. */
  readonly whenAbsent: "same" | "line";
  /** The first one opens nothing yet. Default false. */
  readonly isNew?: boolean;
}

/** Lends both. What is the same source, such as standard input, is read once and used twice. */
export async function withBothPassphrases<T>(
  terminal: Terminal,
  flags: NewPassphraseFlags,
  { subject, whenAbsent, isNew = false }: Asked,
  use: (passphrase: Uint8Array, by: NewPassphrase) => Promise<T>,
): Promise<T> {
  const old = sourceOf(flags);
  const by: PassphraseSource =
    newSourceOf(flags) ?? (whenAbsent === "same" ? old : { type: "line" });
  const both = async (passphrase: Uint8Array) => {
    if (by === old || isSameSource(old, by)) return use(passphrase, { passphrase, isSame: !isNew });
    const own = await readPassphrase(terminal, by, {
      text: `new passphrase for ${subject}`,
      isNew: true,
      flag: "--new-passphrase-file",
    });
    try {
      return await use(passphrase, { passphrase: own, isSame: false });
    } finally {
      own.fill(0);
    }
  };
  return withPassphrase(terminal, flags, subject, both, { isNew });
}

function sourceOf(flags: PassphraseFlags): PassphraseSource {
  const { passphraseFile: path, passphraseOffset: offset, passphraseSize: size } = flags;
  return partOf("--passphrase-file", path, offset, size) ?? { type: "line" };
}

function newSourceOf(flags: NewPassphraseFlags): PassphraseSource | undefined {
  const { newPassphraseFile: path, newPassphraseOffset: offset, newPassphraseSize: size } = flags;
  return partOf("--new-passphrase-file", path, offset, size);
}

function partOf(
  flag: string,
  path: string | undefined,
  offset: number | undefined,
  size: number | undefined,
): PassphraseSource | undefined {
  if (path !== undefined) {
    const part = { offset: offset ?? 0, size };
    return path === "-" ? { type: "input", ...part } : { type: "file", path, ...part };
  }
  if (offset === undefined && size === undefined) return undefined;
  throw new VolumeError("invalid_argument", `an offset or a size of a passphrase needs ${flag}`);
}

function addFlags(
  command: Command,
  kind: "passphrase" | "newPassphrase",
  description: string,
): Command {
  const prefix = kind === "passphrase" ? "" : "new-";
  const file = `--${prefix}passphrase-file`;
  const offset = (name: string) =>
    new Option(`--${prefix}${name}-offset <bytes>`, `bytes of ${file} to skip`).argParser(
      parseOffset,
    );
  const size = (name: string) =>
    new Option(
      `--${prefix}${name}-size <bytes>`,
      `bytes of ${file} to read (default: all, at most 8 MiB)`,
    ).argParser(parseSize);
  return command
    .option(`${file} <file>`, description)
    .addOption(offset("passphrase"))
    .addOption(size("passphrase"))
    .addOption(aliasOf(`${kind}Offset`, offset("keyfile")))
    .addOption(aliasOf(`${kind}Size`, size("keyfile")));
}

/** The option of that attribute under cryptsetup's name, which help does not list. */
function aliasOf(attribute: string, option: Option): Option {
  option.attributeName = () => attribute;
  return option.hideHelp();
}

function parseOffset(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("give a number of bytes");
}

function parseSize(text: string): number {
  const size = parseOffset(text);
  if (size >= 1 && size <= maxPassphraseBytes) return size;
  throw new InvalidArgumentError(`give a number of bytes from 1 to ${maxPassphraseBytes}`);
}
