import { createHash, type Hash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { placeNewFile, syncFolder } from "../model/durable-file.ts";
import { findSystemKey } from "../store/operations/keys.ts";
import type { Store } from "../store/store.ts";
import { AuditProblem } from "./audit-problem.ts";
import type { OnAuditProgress } from "./audit-progress.ts";
import { type AuditKeys, auditKeyId, auditKeyNames, sealMac } from "./chain/audit-keys.ts";
import { placeBefore, type Segment, segmentName } from "./chain/audit-segment.ts";
import {
  entryLine,
  type HeaderKeys,
  headerLine,
  trailerLine,
  type WrappedKey,
  wrappedKey,
} from "./segment-file.ts";
import { walkChain } from "./walk-chain.ts";

export interface ExportOptions {
  readonly store: Store;
  readonly keys: AuditKeys;
  readonly segments: readonly Segment[];
  /** Absolute. Nothing may be there. */
  readonly path: string;
  readonly onProgress?: OnAuditProgress;
}

/** A segment that is in the file, with the SHA-256 (hex) of its lines. */
export interface Exported {
  readonly segment: Segment;
  readonly digest: string;
}

/**
 * Writes segments to a new file, mode 0600, verifying every entry. When it resolves, the whole file is under its name
 * and survives the loss of power; if it rejects, nothing is under that name.
 *
 * @throws AuditProblem if an entry is missing or not authentic
 */
export async function exportSegments(options: ExportOptions): Promise<readonly Exported[]> {
  const { store, keys, segments, path, onProgress = () => undefined } = options;
  const temporary = `${path}.${randomBytes(6).toString("hex")}.partial`;
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
  const totalEntries = segments.reduce((sum, each) => sum + entriesOf(each), 0);
  let doneEntries = 0;
  const exported: Exported[] = [];
  const file = await open(temporary, flags, 0o600);
  try {
    try {
      await file.chmod(0o600);
      const wrapped = await wrappedKeys(store, keys);
      for (const segment of segments) {
        const digest = await writeSegment(file, store, keys, segment, wrapped, (entries) => {
          doneEntries += entries;
          onProgress({ doneEntries, totalEntries });
        });
        exported.push({ segment, digest });
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await placeNewFile(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  syncFolder(dirname(path));
  return exported;
}

async function writeSegment(
  file: FileHandle,
  store: Store,
  keys: AuditKeys,
  segment: Segment,
  wrapped: ReadonlyMap<string, WrappedKey>,
  onEntries: (entries: number) => void,
): Promise<string> {
  const digest = createHash("sha256");
  const header = headerLine(segment, headerKeys(keys, segment, wrapped));
  await write(file, digest, [header]);
  const { chain, format, last_sequence: through } = segment;
  const end = await walkChain({
    store,
    keys,
    chain,
    format,
    from: placeBefore(segment),
    through,
    onEntries: async (entries) => {
      await write(
        file,
        digest,
        entries.map(({ sequence, line, mac }) => entryLine(sequence, line, mac)),
      );
      onEntries(entries.length);
    },
  });
  if (!Buffer.from(end.mac).equals(segment.head))
    throw new AuditProblem(through, "the segment does not end with the entry it was sealed with");
  const head = Buffer.from(segment.head).toString("hex");
  const entries = entriesOf(segment);
  const name = { chain, segment: segment.number, entries };
  await write(file, digest, [trailerLine(sealMac(keys.current), header, name, head)]);
  return digest.digest("hex");
}

async function write(file: FileHandle, digest: Hash, lines: readonly string[]): Promise<void> {
  const bytes = Buffer.from(`${lines.join("\n")}\n`);
  digest.update(bytes);
  await file.writeFile(bytes);
}

function headerKeys(
  keys: AuditKeys,
  { format, chain, number }: Segment,
  wrapped: ReadonlyMap<string, WrappedKey>,
): HeaderKeys {
  const sealedBy = auditKeyId(keys.current);
  const entryKey = format === 2 ? keys.current : keys.legacy;
  if (!entryKey)
    throw new AuditProblem(
      0,
      `${segmentName({ chain, number })}: the key of the old format is missing`,
    );
  // All in every header: a reader takes the keys of a file from its first line.
  return { sealedBy, entriesBy: auditKeyId(entryKey), keys: [...wrapped.values()] };
}

async function wrappedKeys(
  store: Store,
  keys: AuditKeys,
): Promise<ReadonlyMap<string, WrappedKey>> {
  const wrapped = new Map<string, WrappedKey>();
  for (const use of ["current", "legacy"] as const) {
    const row = await store.read(findSystemKey, { name: auditKeyNames[use] });
    const key = keys[use];
    if (row && key) wrapped.set(row.name, wrappedKey(auditKeyId(key), row));
  }
  return wrapped;
}

function entriesOf({ first_sequence: first, last_sequence: last }: Segment): number {
  return last - first + 1;
}
