import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { type ArchiveKeys, KeyNotAtHand } from "./archive-keys.ts";
import { AuditProblem } from "./audit-problem.ts";
import type { OnAuditProgress } from "./audit-progress.ts";
import { auditKeyNames, chainCheck, sealMac } from "./chain/audit-keys.ts";
import type { NotedHeads } from "./noted-heads.ts";
import { readLines } from "./read-lines.ts";
import {
  type FileHeader,
  parseEntry,
  parseHeader,
  parseTrailer,
  trailerMac,
} from "./segment-file.ts";

/** An authentic segment of a file. */
export interface ArchivedSegment {
  readonly file: string;
  readonly chain: string;
  readonly number: number;
  readonly first: number;
  readonly last: number;
  readonly previous: string;
  readonly head: string;
  /** Id of the key that sealed it: tells one database's record from another's. */
  readonly sealedBy: string;
  /** SHA-256 (hex) of its lines. */
  readonly digest: string;
}

/** What is wrong with a file. */
export interface BrokenArchive {
  readonly file: string;
  /** The segment, as `main/3`; absent if it is unknown. */
  readonly segment?: string;
  /** Number of the entry where it begins. */
  readonly sequence?: number;
  readonly reason: string;
}

export interface ArchiveCheck {
  readonly entries: number;
  readonly segments: readonly ArchivedSegment[];
  readonly broken: readonly BrokenArchive[];
}

export interface VerifyArchivesOptions {
  readonly files: readonly string[];
  readonly keys: ArchiveKeys;
  readonly noted?: NotedHeads;
  readonly onProgress?: OnAuditProgress;
}

const progressEvery = 1_000;

/** Verifies every segment of files, each on its own. Files are read once, line by line. */
export async function verifyArchives(options: VerifyArchivesOptions): Promise<ArchiveCheck> {
  const { files, keys, noted, onProgress = () => undefined } = options;
  const segments: ArchivedSegment[] = [];
  const broken: BrokenArchive[] = [];
  let entries = 0;
  const totalBytes = files.reduce((sum, file) => sum + sizeOf(file), 0);
  let doneBytes = 0;
  const count = (bytes: number) => {
    doneBytes += bytes;
    if (++entries % progressEvery !== 0) return;
    const totalEntries = Math.max(entries, Math.round((entries * totalBytes) / doneBytes));
    onProgress({ doneEntries: entries, totalEntries });
  };
  for (const file of files) {
    let header: FileHeader | undefined;
    try {
      const lines = readLines(file);
      for (let next = await lines.next(); !next.done; next = await lines.next()) {
        header = parseHeader(next.value);
        if (!header) throw new AuditProblem(0, "a line that is not the header of a segment");
        segments.push(
          await verifySegment({ file, text: next.value, header, lines, keys, noted, count }),
        );
        header = undefined;
      }
    } catch (error) {
      broken.push(brokenArchive(file, header, error));
    }
  }
  return { entries, segments, broken };
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0; // Reading it says why.
  }
}

interface SegmentLines {
  readonly file: string;
  readonly text: string;
  readonly header: FileHeader;
  readonly lines: AsyncGenerator<string>;
  readonly keys: ArchiveKeys;
  readonly noted: NotedHeads | undefined;
  readonly count: (bytes: number) => void;
}

async function verifySegment(part: SegmentLines): Promise<ArchivedSegment> {
  const { file, text, header, lines, keys, noted, count } = part;
  const { chain, first, format } = header;
  const current = keys.find(auditKeyNames.current, header.sealedBy);
  const legacy = format === 1 ? keys.find(auditKeyNames.legacy, header.entriesBy) : undefined;
  const from = { sequence: first - 1, mac: Buffer.from(header.previous, "hex") };
  const check = chainCheck({ current, ...(legacy && { legacy }) }, format, chain, from);
  if (!check) throw new AuditProblem(first, "the key of the old format is missing");
  const digest = createHash("sha256").update(`${text}\n`);
  const wanted = noted?.sequenceOf(chain);
  for (let left = header.entries; left > 0; left--) {
    const line = await nextLine(lines, check.place.sequence + 1);
    digest.update(`${line}\n`);
    const sequence = check.place.sequence + 1;
    const entry = parseEntry(line);
    if (entry?.sequence !== sequence) throw new AuditProblem(sequence, "an entry is missing");
    const mac = check.add(entry.line);
    if (Buffer.from(mac).toString("hex") !== entry.mac)
      throw new AuditProblem(sequence, "an entry is not authentic");
    if (sequence === wanted) noted?.see(chain, sequence, mac);
    count(line.length + 1);
  }
  const { place } = check;
  const head = Buffer.from(place.mac).toString("hex");
  const end = await nextLine(lines, place.sequence + 1);
  digest.update(`${end}\n`);
  const trailer = parseTrailer(end);
  const mac = trailerMac(sealMac(current), text, header.entries, head);
  if (trailer?.mac !== mac || trailer.head !== head || trailer.entries !== header.entries)
    throw new AuditProblem(place.sequence, "the end of the segment is not authentic");
  noted?.end(chain, place.sequence);
  return {
    file,
    chain,
    number: header.segment,
    first,
    last: place.sequence,
    previous: header.previous,
    head,
    sealedBy: header.sealedBy,
    digest: digest.digest("hex"),
  };
}

async function nextLine(lines: AsyncGenerator<string>, sequence: number): Promise<string> {
  const next = await lines.next();
  if (next.done) throw new AuditProblem(sequence, "the file is cut off");
  return next.value;
}

function brokenArchive(
  file: string,
  header: FileHeader | undefined,
  error: unknown,
): BrokenArchive {
  const segment = header && { segment: `${header.chain}/${header.segment}` };
  if (error instanceof AuditProblem)
    return {
      file,
      ...segment,
      ...(error.sequence > 0 && { sequence: error.sequence }),
      reason: error.message,
    };
  if (error instanceof KeyNotAtHand || error instanceof RangeError)
    return { file, ...segment, reason: error.message };
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string") return { file, ...segment, reason: `cannot be read: ${code}` };
  throw error;
}
