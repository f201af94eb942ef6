/** Something in the record that is not as the server wrote it. */
export class AuditProblem extends Error {
  override readonly name = "AuditProblem";
  /** The number of the entry where it begins. */
  readonly sequence: number;

  /** @param reason why, without the place */
  constructor(sequence: number, reason: string) {
    super(reason);
    this.sequence = sequence;
  }
}
