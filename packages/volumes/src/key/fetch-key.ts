import type { ObjectId, StoredObject } from "@chatelaine/keys/interface";
import type { KeySource } from "../model/volume.ts";
import { isCode, missingKey } from "./missing-key.ts";

/**
 * Fetches a key with its bytes.
 *
 * @param operation what needs the key, for the message: `open disk.img`
 * @throws `missing_key` if the key manager does not have it
 */
export async function fetchKey(
  { keyManager, caller }: KeySource,
  keyId: ObjectId,
  operation?: string,
): Promise<StoredObject> {
  return keyManager.get(caller, keyId).catch((cause: unknown) => {
    throw isCode(cause, "not_found") ? missingKey(keyId, cause, operation) : cause;
  });
}
