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
}

/** The text that the hash chain covers: one line of JSON, members in a fixed order. */
export function auditLine(entry: AuditEntry, outcome: string = entry.outcome): string {
  return JSON.stringify([
    entry.at,
    entry.requestId,
    entry.userId,
    entry.projectId,
    entry.action,
    entry.objectId ?? null,
    outcome,
  ]);
}

/** The inverse of {@link auditLine}. @throws SyntaxError if the line is not one. */
export function parseAuditLine(line: string): AuditEntry {
  const [at, requestId, userId, projectId, action, objectId, outcome] = JSON.parse(
    line,
  ) as readonly string[];
  return {
    at: at ?? "",
    requestId: requestId ?? "",
    userId: userId ?? "",
    projectId: projectId ?? "",
    action: action ?? "",
    ...(objectId && { objectId }),
    outcome: outcome ?? "",
  };
}
