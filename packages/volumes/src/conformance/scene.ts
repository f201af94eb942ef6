import assert from "node:assert/strict";
import { VolumeError, type VolumeErrorCode } from "../model/errors.ts";
import type { Ledger, Lock, OperationRecord, VolumeChange, VolumeRecord } from "../model/ledger.ts";

/** One empty ledger, and the ways to it. */
export interface LedgerSetting {
  /** Opens it, each time as another process of the same host would. The suite closes what it opens. */
  open(): Promise<Ledger>;
  /** Runs SQL on its database, behind its back. */
  tamper(sql: string): Promise<void>;
  /**
   * How a process that knows nothing opens it: `module` exports
   * `open(argument: string): Promise<Ledger>`. The argument goes there through a pipe.
   */
  readonly elsewhere: { readonly module: URL; readonly argument: string };
  /** Deletes it. */
  remove(): Promise<void>;
}

/** What each promise is tried on. */
export interface Scene {
  readonly setting: LedgerSetting;
  readonly ledger: Ledger;
  /** A further opening. */
  readonly open: () => Promise<Ledger>;
}

/** Asserts that a call rejects with a `VolumeError` of that code. @returns its message */
export async function rejectsWith(code: VolumeErrorCode, call: Promise<unknown>): Promise<string> {
  let message = "";
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof VolumeError, `a VolumeError, not ${String(error)}`);
    assert.equal(error.code, code, error.message);
    ({ message } = error);
    return true;
  });
  return message;
}

/** Writes under the lock that a write needs. */
export async function write(
  ledger: Ledger,
  operation: OperationRecord,
  changes?: readonly VolumeChange[],
): Promise<void> {
  const lock = await ledger.lock(operation.volumeId);
  try {
    await ledger.write(operation, changes);
  } finally {
    await lock.release();
  }
}

/** @returns the one lock that was taken, of several that were asked for */
export function theOnly(answers: readonly PromiseSettledResult<Lock>[]): Lock {
  const taken = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  for (const answer of answers) {
    if (answer.status === "rejected") assert.equal((answer.reason as VolumeError).code, "busy");
  }
  assert.equal(taken.length, 1, `${taken.length} have the lock`);
  return taken[0] as Lock;
}

export function operationNamed(
  { host }: Ledger,
  id: string,
  more: Partial<OperationRecord> = {},
): OperationRecord {
  return {
    id,
    kind: "create",
    volumeId: "v",
    project: "p",
    host,
    phase: "preparing",
    step: 0,
    input: { path: "/a" },
    facts: {},
    problem: undefined,
    created: new Date(1000),
    updated: new Date(1000),
    ...more,
  };
}

export function volumeNamed(
  { host }: Ledger,
  id: string,
  location: string,
  more: Partial<VolumeRecord> = {},
): VolumeRecord {
  return {
    id,
    kind: "volume",
    project: "p",
    host,
    location,
    format: "luks2",
    cipher: "aes-xts-plain64",
    keyId: undefined,
    state: "creating",
    parentId: undefined,
    headerBackup: undefined,
    layout: undefined,
    attributes: {},
    created: new Date(1000),
    updated: new Date(1000),
    ...more,
  };
}

export function put(volume: VolumeRecord): VolumeChange {
  return { type: "put", volume };
}

export async function idsOf(records: Promise<readonly { readonly id: string }[]>) {
  return (await records).map(({ id }) => id);
}
