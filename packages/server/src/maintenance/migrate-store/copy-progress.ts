/** How far the copy is. */
export interface CopyProgress {
  readonly table: string;
  /** Rows of this table that were copied so far. */
  readonly rows: number;
}
