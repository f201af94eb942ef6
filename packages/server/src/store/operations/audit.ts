import { all, operation } from "../operation.ts";

export interface AuditRow {
  readonly sequence: number;
  readonly line: string;
  readonly mac: Uint8Array;
}

export const listAuditChains = operation(import.meta.url, "listAuditChains", function* () {
  return yield* all<{ readonly chain: string }>("SELECT DISTINCT chain FROM audit ORDER BY chain");
});

/** A part of one chain, in order, after an entry. */
export const readAuditChain = operation(
  import.meta.url,
  "readAuditChain",
  function* (p: { readonly chain: string; readonly after: number; readonly limit: number }) {
    return yield* all<AuditRow>(
      `SELECT sequence, line, mac FROM audit WHERE chain = ? AND sequence > ?
       ORDER BY sequence LIMIT ?`,
      p.chain,
      p.after,
      p.limit,
    );
  },
);

/** The newest entries of one chain, newest first. */
export const readAuditTail = operation(
  import.meta.url,
  "readAuditTail",
  function* (p: { readonly chain: string; readonly before: number; readonly limit: number }) {
    return yield* all<AuditRow>(
      `SELECT sequence, line, mac FROM audit WHERE chain = ? AND sequence < ?
       ORDER BY sequence DESC LIMIT ?`,
      p.chain,
      p.before,
      p.limit,
    );
  },
);
