import { randomBytes } from "node:crypto";
import { checkRootKeys, type RootKeyRing } from "../crypto/root-key/ring.ts";
import { open, seal } from "../crypto/seal.ts";
import type { Clock } from "../model/clock.ts";
import { ServerError } from "../model/server-error.ts";
import {
  findSystemKey,
  insertRootKey,
  insertSystemKey,
  listRootKeys,
  type SystemKeyRow,
} from "../store/operations/keys.ts";
import type { Store } from "../store/store.ts";

/**
 * Checks the root keys against the database, and records those it does not know yet.
 *
 * @throws RootKeyError if they are not the ones that the database was written with
 */
export async function admitRootKeys(store: Store, ring: RootKeyRing, clock: Clock): Promise<void> {
  const recorded = await store.read(listRootKeys, null);
  checkRootKeys(ring, recorded);
  for (const key of ring.all.values())
    if (!recorded.some(({ id }) => id === key.id))
      await store.write(insertRootKey, {
        row: { id: key.id, check_value: key.checkValue },
        created: clock.timestamp(),
      });
  checkRootKeys(ring, await store.read(listRootKeys, null));
}

/** A key (32 bytes) of the server itself, made at its first need. */
export async function systemKey(
  store: Store,
  ring: RootKeyRing,
  name: string,
): Promise<Uint8Array> {
  let row = await store.read(findSystemKey, { name });
  if (!row) {
    const bytes = randomBytes(32);
    row = wrapSystemKey(name, bytes, ring);
    bytes.fill(0);
    await store.write(insertSystemKey, { row });
    row = await store.read(findSystemKey, { name });
  }
  if (!row) throw new Error(`system key ${name}: made, and not found`);
  return unwrapSystemKey(row, ring);
}

/** A key's row, wrapped by the current root key. */
export function wrapSystemKey(name: string, bytes: Uint8Array, ring: RootKeyRing): SystemKeyRow {
  const wrapped = seal(ring.current.wrapping, context(name), bytes);
  return { name, root_key_id: ring.current.id, wrapped };
}

/** @throws `integrity` if its root key is missing, or did not wrap it */
export function unwrapSystemKey(row: SystemKeyRow, ring: RootKeyRing): Buffer {
  const root = ring.all.get(row.root_key_id);
  if (!root)
    throw new ServerError(
      "integrity",
      `system key ${row.name}: root key ${row.root_key_id} is missing`,
    );
  return open(root.wrapping, context(row.name), row.wrapped);
}

/** The same key, wrapped by the current root key. */
export function rewrapSystemKey(row: SystemKeyRow, ring: RootKeyRing): SystemKeyRow {
  const bytes = unwrapSystemKey(row, ring);
  const rewrapped = wrapSystemKey(row.name, bytes, ring);
  bytes.fill(0);
  return rewrapped;
}

function context(name: string): readonly string[] {
  return ["chatelaine system key", name];
}
