import type { AuditEntry } from "../../model/audit-entry.ts";
import { ServerError, type ServerErrorCode } from "../../model/server-error.ts";

/** What the writer thread is started with. */
export interface WriterData {
  readonly path: string;
  /** UTC, for the migrations table. */
  readonly now: string;
}

/** What one caller wants done: an operation, with an audit entry in the same transaction. */
export interface Unit {
  readonly module: string;
  readonly name: string;
  readonly parameters: unknown;
  readonly audit?: AuditEntry;
}

/** A string holds the lines of audit entries alone: most of what a busy server writes, so they cross as cheaply as can be. */
export type ToWriter =
  | { readonly type: "batch"; readonly units: readonly (Unit | string)[] }
  | { readonly type: "audit-key"; readonly key: Uint8Array }
  | { readonly type: "row-tag-keys"; readonly keys: readonly Uint8Array[] }
  | { readonly type: "backup"; readonly path: string }
  | { readonly type: "close" };

/** An error, in a form that survives the crossing between threads. */
export interface Failure {
  readonly code?: ServerErrorCode;
  readonly message: string;
}

/** `true`: done, and there is nothing to say. */
export type UnitResult =
  | true
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly failure: Failure };

/** The first message is "ready" or "failed"; after that each {@link ToWriter} is answered once, in order. */
export type FromWriter =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly failure: Failure }
  | { readonly type: "results"; readonly results: readonly UnitResult[] };

export function toFailure(error: unknown): Failure {
  if (error instanceof ServerError) return { code: error.code, message: error.message };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

export function fromFailure(failure: Failure): Error {
  if (failure.code) return new ServerError(failure.code, failure.message);
  return new Error(`store: ${failure.message}`);
}
