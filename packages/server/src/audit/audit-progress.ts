/** How far a long look at the audit record is. */
export interface AuditProgress {
  readonly doneEntries: number;
  /** As known at the beginning; more may be added in the meantime. Absent if unknown. */
  readonly totalEntries?: number;
}

/** Called while the record is read or written. What it throws ends the work. */
export type OnAuditProgress = (progress: AuditProgress) => void;
