import { KeyManagerError, type ObjectId } from "@chatelaine/keys/interface";
import { VolumeError } from "../model/errors.ts";

/** The one error for a key that the key manager does not have. */
export function missingKey(keyId: ObjectId, cause: unknown, operation?: string): VolumeError {
  const subject = operation === undefined ? "" : `${operation}: `;
  return new VolumeError("missing_key", `${subject}the key manager has no key ${keyId}`, { cause });
}

/** Whether the key manager rejected a call with this code. */
export function isCode(error: unknown, code: KeyManagerError["code"]): boolean {
  return error instanceof KeyManagerError && error.code === code;
}
