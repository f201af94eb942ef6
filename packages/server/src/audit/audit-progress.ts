/** How far a long look at the audit record is. */
export interface AuditProgress {
  readonly doneEntries: number;
  /** As known at the beginning; more may come meanwhile. Absent where it is not known. */
  readonly totalEntries?: number;
}

export type OnAuditProgress = (progress: AuditProgress) => void;
