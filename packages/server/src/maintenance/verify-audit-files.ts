import { ArchiveKeys } from "../audit/archive-keys.ts";
import type { OnAuditProgress } from "../audit/audit-progress.ts";
import { type ChainHead, NotedHeads } from "../audit/noted-heads.ts";
import {
  type ArchivedSegment,
  type BrokenArchive,
  verifyArchives,
} from "../audit/verify-archives.ts";
import type { ServerConfig } from "../config/config.ts";
import { RootKeyError } from "../crypto/root-key/root-key-error.ts";
import { findRootKeys, rootKeyPath } from "../parts/open-root-keys.ts";
import { notedHeads } from "./audit-commands.ts";
import type { AuditReport, EntryRange } from "./verify-audit.ts";

/**
 * Verifies archives of the audit record on their own, and that what they hold of each chain is without a gap. Needs the
 * root key, and neither a database nor a server.
 *
 * @param noted the text of an earlier report, or empty
 * @throws RootKeyError, ServerError
 */
export async function verifyAuditFiles(
  config: ServerConfig,
  files: readonly string[],
  noted = "",
  onProgress?: OnAuditProgress,
): Promise<AuditReport> {
  const ring = await findRootKeys(config);
  if (!ring)
    throw new RootKeyError(
      "absent",
      `root key file ${rootKeyPath(config)}: it is missing; archives are verified with the root key of the server that wrote them`,
    );
  const keys = new ArchiveKeys();
  await keys.learn(files, ring);
  const heads = new NotedHeads(noted === "" ? [] : notedHeads(noted));
  const checked = await verifyArchives({
    files,
    keys,
    noted: heads,
    ...(onProgress && { onProgress }),
  });
  const broken: BrokenArchive[] = [...checked.broken];
  const gaps: EntryRange[] = [];
  const chains: ChainHead[] = [];
  const byChain = Map.groupBy(checked.segments, (each) => `${each.sealedBy} ${each.chain}`);
  for (const segments of byChain.values()) chains.push(join(segments, broken, gaps));
  return {
    entries: checked.entries,
    removed: 0,
    chains,
    broken: [],
    missing: heads.missing(),
    files: broken,
    gaps,
    discarded: [],
    leftOver: [],
  };
}

/** Puts the segments of one chain together. */
function join(
  segments: readonly ArchivedSegment[],
  broken: BrokenArchive[],
  gaps: EntryRange[],
): ChainHead {
  const [begin, ...others] = segments.toSorted((a, b) => a.first - b.first || a.last - b.last);
  let last = begin as ArchivedSegment;
  for (const next of others) {
    const again = next.first === last.first && next.last === last.last && next.head === last.head;
    if (again) continue;
    const { chain } = next;
    if (next.first > last.last + 1) gaps.push({ chain, from: last.last + 1, to: next.first - 1 });
    else if (next.first !== last.last + 1 || next.previous !== last.head)
      broken.push({
        file: next.file,
        segment: `${chain}/${next.number}`,
        sequence: next.first,
        reason: `it does not follow segment ${chain}/${last.number} of ${last.file}`,
      });
    last = next;
  }
  const first = begin?.first ?? 1;
  return {
    chain: last.chain,
    ...(first > 1 && { from: first }),
    entries: last.last,
    head: last.head,
  };
}
