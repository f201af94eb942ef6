/**
 * What an attacker knows of the host, and would like to reach.
 *
 * Hostile values are made from it, so that they are what this very host would have to withstand.
 */
export interface Aim {
  /** The disk itself, and another disk of the host, as `MAJOR:MINOR`. */
  readonly self: string;
  readonly victim: string;
  /** A path of the other disk. */
  readonly victimPath: string;
  /** Of the disk itself, in bytes. */
  readonly diskBytes: number;
  /** Where its data begins, in bytes. */
  readonly dataOffset: number;
  /** The id of a key that is not the disk's, and that the service may read. */
  readonly foreignKey: string;
  /** The UUID of another volume of the host. */
  readonly foreignUuid: string;
}

/** One place in a header, and what a stranger may write there. Outcomes are counted by its name. */
export interface Field<Draft> {
  /** Such as `segments.0.encryption`; `attack: …` for what needs several places at once. */
  readonly name: string;
  readonly values: readonly HostileValue<Draft>[];
}

export interface HostileValue<Draft> {
  /** Tells the values of a field apart. */
  readonly name: string;
  readonly write: (draft: Draft, aim: Aim) => void;
}

/** What a value is made from: the honest one, and the aim. */
export type Make<Value> = (honest: Value, aim: Aim) => unknown;

/** Named ways to make a hostile value. */
export type Family<Value> = Readonly<Record<string, Make<Value>>>;
