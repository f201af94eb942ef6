import assert from "node:assert/strict";
import type { Caller } from "../model/caller.ts";
import { KeyManagerError, type KeyManagerErrorCode } from "../model/errors.ts";
import type { KeyManager } from "../model/key-manager.ts";

/** What each promise is tried on. */
export interface Scene {
  readonly manager: KeyManager;
  readonly alice: Caller;
  readonly bob: Caller;
  readonly bobUserId?: string | undefined;
  /** Of the names of everything that is made. */
  readonly prefix: string;
}

/** Asserts that a call rejects with a `KeyManagerError` of one of the codes. */
export async function rejectsWith(
  codes: KeyManagerErrorCode | readonly KeyManagerErrorCode[],
  call: Promise<unknown>,
): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof KeyManagerError, `a KeyManagerError, not ${String(error)}`);
    assert.ok(
      [codes].flat().includes(error.code),
      `${error.code} is not ${String(codes)}: ${error.message}`,
    );
    return true;
  });
}
