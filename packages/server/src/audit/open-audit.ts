import { randomBytes } from "node:crypto";
import { RootKeyError, type RootKeyRing } from "../crypto/root-key.ts";
import { unwrapSystemKey, wrapSystemKey } from "../crypto/system-keys.ts";
import { needsAuditUpgrade, upgradeAudit } from "../store/operations/audit-segments.ts";
import { findSystemKey } from "../store/operations/keys.ts";
import type { Store } from "../store/store.ts";
import { type AuditKeys, auditKeyNames } from "./audit-keys.ts";
import { type AuditState, noAuditState } from "./audit-state.ts";

/**
 * The keys of the audit record. A record in the format of an older version is closed first: its chains end where they
 * are, and entries in that format after this point are not authentic. That happens once.
 *
 * @throws RootKeyError if this host has seen the record in the current format, and the database is back in the old one
 */
export async function openAudit(
  store: Store,
  ring: RootKeyRing,
  state: AuditState = noAuditState,
): Promise<AuditKeys> {
  if (state.isUpgraded() && (await store.read(needsAuditUpgrade, null)))
    throw new RootKeyError(
      `audit record: its key is missing from the database, although this server has upgraded the record; the database was put back to a state from before the upgrade, or changed by someone. If you put back an old backup yourself, remove ${state.place} and start again`,
    );
  let keys = await findAuditKeys(store, ring);
  if (!keys) {
    const bytes = randomBytes(32);
    const row = wrapSystemKey(auditKeyNames.current, bytes, ring);
    await store.write(upgradeAudit, { row, key: bytes });
    bytes.fill(0);
    keys = await findAuditKeys(store, ring);
  }
  if (!keys) throw new Error("audit record: its key was made, and not found");
  if (!state.isUpgraded()) state.setUpgraded();
  return keys;
}

/** The keys of an audit record that was opened before. */
export async function auditKeys(store: Store, ring: RootKeyRing): Promise<AuditKeys> {
  const keys = await findAuditKeys(store, ring);
  if (!keys) throw new RootKeyError("audit record: its key is missing from the database");
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
