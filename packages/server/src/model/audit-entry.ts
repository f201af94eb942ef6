/** Who did what to which object, and how it ended. Carries ids only, never names or bytes. */
export interface AuditEntry {
  /** UTC, see clock.ts. */
  readonly at: string;
  readonly requestId: string;
  readonly userId: string;
  readonly projectId: string;
  /** The policy rule that guards the action ("secret:decrypt"), or the name of an administrator's command. */
  readonly action: string;
  readonly objectId?: string;
  /** "ok", "forbidden", or why the store refused ("quota", "conflict", …). */
  readonly outcome: string;
  /** Of the client; absent in entries of commands, and in those of before there was this member. */
  readonly address?: string;
  /** How many of the kind the entry stands for; absent for one. */
  readonly times?: number;
}

/** The text that the hash chain covers: one line of JSON, members in a fixed order, the last two only where they are known. */
export function auditLine(entry: AuditEntry, outcome: string = entry.outcome): string {
  return JSON.stringify([
    entry.at,
    entry.requestId,
    entry.userId,
    entry.projectId,
    entry.action,
    entry.objectId ?? null,
    outcome,
    ...lastMembers(entry),
  ]);
}

function lastMembers({ address, times }: AuditEntry): readonly (string | number | null)[] {
  if (times !== undefined) return [address ?? null, times];
  return address === undefined ? none : [address];
}

const none: readonly string[] = [];

/** The inverse of {@link auditLine}. @throws SyntaxError if the line is not one. */
export function parseAuditLine(line: string): AuditEntry {
  const [at, requestId, userId, projectId, action, objectId, outcome, address, times] = JSON.parse(
    line,
  ) as readonly (string | undefined)[];
  return {
    at: at ?? "",
    requestId: requestId ?? "",
    userId: userId ?? "",
    projectId: projectId ?? "",
    action: action ?? "",
    ...(objectId && { objectId }),
    outcome: outcome ?? "",
    ...(address && { address }),
    ...(times !== undefined && { times: Number(times) }),
  };
}
