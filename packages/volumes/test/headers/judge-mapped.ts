import { type CryptLine, type KernelMapping, parseCryptLine } from "./kernel-table.ts";
import { cipherKeys, type Meaning, uuidPattern } from "./meaning.ts";
import { accepted, refused, type Setting, type Verdict, violation } from "./verdict.ts";

/** What the kernel showed after a call that was to open a disk. */
export interface Observation {
  /** The name that the call told; undefined if it refused. */
  readonly opened: string | undefined;
  readonly mappings: readonly KernelMapping[];
  /** Another disk of the host has other bytes than before. */
  readonly victimChanged: boolean;
  /** What was written through the mapping, if there was one. */
  readonly written?: {
    /** It is on the medium as it was written. */
    readonly isInTheClear: boolean;
    /** It is on the medium as the expected key encrypts it, where the table says; undefined if that cannot be computed. */
    readonly isEncryptedWithTheKey: boolean | undefined;
  };
}

/** What is allowed to be opened. */
export interface Expectation {
  readonly setting: Setting;
  /** What the disk's header meant before. */
  readonly honest: Meaning;
  /** The disk, as `MAJOR:MINOR`. */
  readonly device: string;
  readonly diskBytes: number;
  /** Of the honest disk, in hexadecimal. */
  readonly volumeKey: string;
}

/** Options of dm-crypt's that change no byte on the medium; a header's flags ask for them. */
const harmless = new Set([
  "allow_discards",
  "same_cpu_crypt",
  "submit_from_crypt_cpus",
  "no_read_workqueue",
  "no_write_workqueue",
]);

/** Judges what the kernel was made to do. */
export function judgeMapped(seen: Observation, expected: Expectation): Verdict {
  if (seen.victimChanged) return violation("changes another disk");
  const [mapping, ...others] = seen.mappings;
  if (seen.opened === undefined) {
    return mapping === undefined ? refused : violation("refuses, and leaves a mapping");
  }
  if (mapping === undefined) return violation("opens, and there is no mapping");
  if (others.length > 0) return violation("makes more than one mapping");
  if (mapping.name !== seen.opened) return violation("makes a mapping of another name");
  const problem = mappingProblem(mapping, expected) ?? mediumProblem(seen);
  return problem === undefined ? accepted(expected.setting) : violation(problem);
}

function mappingProblem(mapping: KernelMapping, expected: Expectation): string | undefined {
  if (mapping.lines.length !== 1) return "makes a table of several targets";
  const line = parseCryptLine(mapping.lines[0] ?? "");
  if (line === undefined) return "makes a table that is not dm-crypt's";
  if (mapping.dependencies.join() !== expected.device) return "maps another disk";
  return (
    lineProblem(line, expected) ??
    nameProblem(mapping, expected) ??
    (expected.setting === "row" ? changedProblem(mapping.name, line, expected) : undefined)
  );
}

/** Our exact grammar, over this disk only. */
function lineProblem(line: CryptLine, expected: Expectation): string | undefined {
  const { volumeKey, diskBytes, device } = expected;
  if (line.device !== device) return "maps another disk";
  if (line.start !== 0) return "makes a table that does not begin at 0";
  const lengths = Object.hasOwn(cipherKeys, line.cipher) ? cipherKeys[line.cipher] : undefined;
  if (lengths === undefined) return `maps with cipher ${line.cipher.slice(0, 60)}`;
  const keyring = /^:(\d+):(?:logon|user|trusted|encrypted):/.exec(line.key);
  const keyBytes = keyring === null ? line.key.length / 2 : Number(keyring[1]);
  if (!lengths.includes(keyBytes)) return "maps with a key of another length than the cipher's";
  if (keyring === null && line.key !== volumeKey) return "maps with another key";
  if (line.length === 0 || line.offset * 512 < 4096) return "maps the header";
  if ((line.offset + line.length) * 512 > diskBytes) return "maps past the disk's end";
  const unknown = line.options.find(
    (option) => !harmless.has(option) && !/^sector_size:(1024|2048|4096)$/.test(option),
  );
  return unknown === undefined ? undefined : `maps with option ${unknown.slice(0, 60)}`;
}

function nameProblem({ name, uuid }: KernelMapping, { honest }: Expectation): string | undefined {
  const parts = /^CRYPT-LUKS([12])-([0-9a-f]{32})-(.*)$/.exec(uuid);
  if (parts === null || parts[3] !== name) return "makes a mapping of a strange UUID";
  const id = name.replace("chatelaine-", "");
  if (!uuidPattern.test(id) || id.replaceAll("-", "") !== parts[2])
    return "makes a mapping of a strange name";
  return parts[1] === String(honest.version) ? undefined : "makes a mapping of another version";
}

/** With a row: nothing of the mapping may be other than it was. */
function changedProblem(
  name: string,
  line: CryptLine,
  { honest }: Expectation,
): string | undefined {
  const sectorSize = /^sector_size:(\d+)$/.exec(
    line.options.find((option) => option.startsWith("sector_size")) ?? "",
  );
  const keyring = /^:(\d+):/.exec(line.key);
  const now: Partial<Meaning> = {
    id: name.replace("chatelaine-", ""),
    keyBytes: keyring === null ? line.key.length / 2 : Number(keyring[1]),
    cipher: line.cipher,
    offset: line.offset * 512,
    bytes: line.length * 512,
    ivTweak: line.ivOffset,
    sectorSize: Number(sectorSize?.[1] ?? 512),
  };
  const [changed] =
    Object.entries(now).find(([field, value]) => honest[field as keyof Meaning] !== value) ?? [];
  return changed === undefined ? undefined : `maps with another ${changed} than before`;
}

function mediumProblem({ written }: Observation): string | undefined {
  if (written === undefined) return "takes no write";
  if (written.isInTheClear) return "writes plaintext on the medium";
  return written.isEncryptedWithTheKey === false
    ? "encrypts with another key, or elsewhere"
    : undefined;
}
