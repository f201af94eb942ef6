import { randomBytes } from "node:crypto";
import type { RootKeyRing } from "../crypto/root-key/ring.ts";
import { unwrapSystemKey, wrapSystemKey } from "../keyring/system-keys.ts";
import { ServerError } from "../model/server-error.ts";
import { needsAuditUpgrade, upgradeAudit } from "../store/operations/audit-segments.ts";
import { findSystemKey } from "../store/operations/keys.ts";
import type { Store } from "../store/store.ts";
import { type AuditKeys, auditKeyNames } from "./chain/audit-keys.ts";

/**
 * The keys of the audit record. A record in the format of an older version is closed first: its chains end where they
 * are, and entries in that format after this point are not authentic.
 *
 * @param mayUpgrade whether the record may be in that format. The database cannot say: an attacker may have put it back
 * @throws `untagged_rows` if it is in that format, and may not be
 */
export async function openAudit(
  store: Store,
  ring: RootKeyRing,
  mayUpgrade: boolean,
): Promise<AuditKeys> {
  const known = await findAuditKeys(store, ring);
  if (known) return known;
  if (!mayUpgrade && (await store.read(needsAuditUpgrade, null)))
    throw new ServerError(
      "untagged_rows",
      'audit record: it has entries and no key of this version. If the database was written by a version from before migration 0004, stop every server of it and run "chatelaine server tag-rows" once; if not, it was changed behind the server\'s back: restore a backup',
    );
  const bytes = randomBytes(32);
  const row = wrapSystemKey(auditKeyNames.current, bytes, ring);
  await store.write(upgradeAudit, { row, key: bytes });
  bytes.fill(0);
  return auditKeys(store, ring);
}

/** The keys of an audit record that was opened before. */
export async function auditKeys(store: Store, ring: RootKeyRing): Promise<AuditKeys> {
  const keys = await findAuditKeys(store, ring);
  if (!keys)
    throw new ServerError("integrity", "audit record: its key is missing from the database");
  return keys;
}

async function findAuditKeys(store: Store, ring: RootKeyRing): Promise<AuditKeys | undefined> {
  const current = await store.read(findSystemKey, { name: auditKeyNames.current });
  if (!current) return undefined;
  const legacy = await store.read(findSystemKey, { name: auditKeyNames.legacy });
  return {
    current: unwrapSystemKey(current, ring),
    ...(legacy && { legacy: unwrapSystemKey(legacy, ring) }),
  };
}
