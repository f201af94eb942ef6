/** How far a long look at the audit record is. */
export interface AuditProgress {
  readonly doneEntries: number;
  /** As known at the beginning; more may come meanwhile. Absent where it is not known. */
  readonly totalEntries?: number;
}

/** Called while the record is read or written. What it throws ends the work. */
export type OnAuditProgress = (progress: AuditProgress) => void;
