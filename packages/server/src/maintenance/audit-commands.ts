import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";
import { ArchiveKeys } from "../audit/archive-keys.ts";
import { AuditProblem } from "../audit/audit-problem.ts";
import { sealMac } from "../audit/chain/audit-keys.ts";
import { type SegmentFields, sealedRow } from "../audit/chain/audit-segment.ts";
import { exportSegments } from "../audit/export-segments.ts";
import { chainsOf, segmentInfos, segmentsOf, stateOf } from "../audit/list-segments.ts";
import { type ChainHead, NotedHeads, parseNotedHeads } from "../audit/noted-heads.ts";
import { auditKeys } from "../audit/open-audit.ts";
import { type ChosenSegment, chooseForRemoval, deleteRemoved } from "../audit/remove-segments.ts";
import { defaultSegmentLimits, SegmentSealer } from "../audit/segment-sealer.ts";
import { verifyArchives } from "../audit/verify-archives.ts";
import { type AuditEntry, auditLine } from "../model/audit-entry.ts";
import { ServerError } from "../model/server-error.ts";
import type { ServiceContext } from "../services/context.ts";
import { markSegments } from "../store/operations/audit-segments.ts";
import { type Commands } from "./control.ts";
import { listAudit } from "./list-audit.ts";
import { verifyAudit } from "./verify-audit.ts";

/** Segments in one transaction. */
const marksAtOnce = 500;

/**
 * What an administrator may do with the audit record.
 *
 * @param entry makes the entry that a command leaves
 */
export function auditCommands(
  context: ServiceContext,
  entry: (action: string, objectId?: string) => AuditEntry,
): Commands {
  const { store, clock } = context;
  const keysNow = () => auditKeys(store, context.keys.rootKeys);
  const mark = async (
    chosen: readonly ChosenSegment[],
    action: string,
    change: (chosen: ChosenSegment) => Partial<SegmentFields>,
  ) => {
    const key = sealMac((await keysNow()).current);
    for (let at = 0; at < chosen.length; at += marksAtOnce) {
      const rows = chosen.slice(at, at + marksAtOnce).map((each) => ({
        before: each.row.mac,
        row: sealedRow(key, { ...each.segment, ...change(each) }),
      }));
      const result = await store.write(markSegments, { rows }, entry(action));
      if ("refused" in result)
        throw new ServerError(
          "conflict",
          `${action}: a segment was changed in the meantime; run it again`,
        );
    }
  };
  return {
    "audit list": async (limit = "50", objectId = "") => {
      await context.audit.flush();
      return listAudit(store, { limit: Number(limit), ...(objectId !== "" && { objectId }) });
    },
    "audit verify": {
      async run(onProgress, report = "", ...files) {
        const noted = new NotedHeads(report === "" ? [] : notedHeads(report));
        await context.audit.flush();
        const keys = await keysNow();
        const known = new ArchiveKeys(keys);
        await known.learn(files, context.keys.rootKeys);
        const archives = await verifyArchives({ files, keys: known, noted, onProgress });
        const given = files.length > 0 && { archives };
        return verifyAudit({ store, keys, noted, onProgress, ...given });
      },
    },
    "audit segments": async () => {
      await context.audit.flush();
      return segmentInfos(store, sealMac((await keysNow()).current));
    },
    "audit seal": async () => {
      await context.audit.flush();
      const key = sealMac((await keysNow()).current);
      const sealer = new SegmentSealer({ store, clock, key, limits: defaultSegmentLimits });
      const sealed = await sealer.sealAll({ now: true });
      await store.record(auditLine(entry("audit seal")));
      return { sealed };
    },
    "audit export": {
      async run(onProgress, path = "", before = "", again = "") {
        if (!isAbsolute(path))
          throw new ServerError(
            "invalid_argument",
            `audit export: ${path} is not an absolute path`,
          );
        if (existsSync(path)) throw new ServerError("conflict", `audit export ${path}: it exists`);
        const limit = before === "" ? undefined : timeOf(before);
        const keys = await keysNow();
        const chosen: ChosenSegment[] = [];
        for await (const chain of chainsOf(store))
          for await (const each of segmentsOf(store, sealMac(keys.current), chain)) {
            const state = stateOf(each.segment);
            const wanted = state === "sealed" || (state === "exported" && again === "again");
            if (wanted && (limit === undefined || each.segment.last_at < limit)) chosen.push(each);
          }
        if (chosen.length === 0)
          throw new ServerError(
            "conflict",
            "audit export: no sealed segment to export; see audit segments and audit seal",
          );
        const segments = chosen.map(({ segment }) => segment);
        const done = await exportSegments({ store, keys, segments, path, onProgress }).catch(
          (error: unknown) => {
            throw exportError(path, error);
          },
        );
        const digests = new Map(done.map(({ segment, digest }) => [segment, digest]));
        const exported = clock.timestamp();
        await mark(chosen, "audit export", ({ segment }) => ({
          exported,
          digest: digests.get(segment) ?? null,
        }));
        const entries = segments.reduce(
          (sum, { first_sequence: first, last_sequence: last }) => sum + last - first + 1,
          0,
        );
        return { path, segments: segments.length, entries };
      },
    },
    "audit remove": {
      async run(onProgress, before = "", force = "") {
        const chosen = await chooseForRemoval(store, sealMac((await keysNow()).current), {
          force: force === "force",
          ...(before !== "" && { before: timeOf(before) }),
        }).catch((error: unknown) => {
          throw new ServerError("conflict", `audit remove: ${(error as Error).message}`, {
            cause: error,
          });
        });
        const removed = clock.timestamp();
        await mark(chosen, "audit remove", () => ({ removed }));
        const entries = await deleteRemoved(
          store,
          sealMac((await keysNow()).current),
          (doneEntries) => onProgress({ doneEntries }),
        );
        return { segments: chosen.length, entries };
      },
    },
  };
}

function exportError(path: string, error: unknown): unknown {
  if (error instanceof AuditProblem)
    return new ServerError(
      "integrity",
      `audit export: entry ${error.sequence}: ${error.message}; run audit verify`,
      { cause: error },
    );
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== "string" || !/^E[A-Z]+$/.test(code)) return error;
  return new ServerError("io", `audit export ${path}: cannot be written: ${code}`, {
    cause: error,
  });
}

/** A time as entries have it, or its beginning: they compare as texts. @throws ServerError */
function timeOf(text: string): string {
  const time = text.replace(/Z$/, "");
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$/.test(time) || !isTime(time))
    throw new ServerError(
      "invalid_argument",
      `${text} is not a UTC time such as 2026-01-31 or 2026-01-31T12:00:00Z`,
    );
  return time;
}

function isTime(text: string): boolean {
  return !Number.isNaN(Date.parse(text.includes("T") ? `${text}Z` : text));
}

/** The heads in the text of an earlier report. @throws ServerError */
export function notedHeads(report: string): readonly ChainHead[] {
  try {
    return parseNotedHeads(report);
  } catch (cause) {
    throw new ServerError(
      "invalid_argument",
      `audit verify: the noted file is not a report of audit verify: ${(cause as Error).message}`,
      { cause },
    );
  }
}
