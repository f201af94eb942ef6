import { ownershipTag, type ProjectKey, payloadContext } from "../crypto/project-keys.ts";
import { open, seal } from "../crypto/seal.ts";
import type { ServiceContext } from "../services/context.ts";
import { passphraseContext } from "../services/orders.ts";
import { type OwnedRow, ownershipOf, verifyOwnership } from "../services/ownership.ts";
import { findProjectKeys, listKeyedProjects } from "../store/operations/keys.ts";
import { deleteOlderKeys, findOlder, replaceOlder } from "../store/operations/rotation.ts";

const batchSize = 50;

/**
 * Gives every project a new key and seals all of its payloads anew, while others
 * read and write; then the old keys are deleted. A rotation that was cut short is
 * finished by the next call, without yet another key.
 *
 * @returns how many projects, and how many payloads
 */
export async function rotateProjectKeys(
  context: ServiceContext,
): Promise<{ readonly projects: number; readonly payloads: number }> {
  let projects = 0;
  let payloads = 0;
  for (let after = ""; ; ) {
    const page = await context.store.read(listKeyedProjects, { after, limit: batchSize });
    for (const { project_id: projectId } of page) {
      payloads += await rotateProject(context, projectId);
      projects++;
      after = projectId;
    }
    if (page.length < batchSize) return { projects, payloads };
  }
}

async function rotateProject(context: ServiceContext, projectId: string): Promise<number> {
  const { store, keys } = context;
  const rows = await store.read(findProjectKeys, { projectId });
  const newest = rows[0]?.generation ?? 0;
  if (rows.length === 1) await keys.add(projectId, newest + 1);
  keys.forget(projectId);
  const key = await keys.active(projectId);
  let payloads = 0;
  for (;;) {
    const done = await sealBatch(context, projectId, key);
    payloads += done.payloads;
    if (done.more) continue;
    const { generation } = key;
    const deleted = await store.write(deleteOlderKeys, { projectId, generation });
    if (!("refused" in deleted)) break;
  }
  keys.forget(projectId);
  return payloads;
}

async function sealBatch(
  context: ServiceContext,
  projectId: string,
  key: ProjectKey,
): Promise<{ readonly more: boolean; readonly payloads: number }> {
  const { store, keys } = context;
  const { generation } = key;
  const old = await store.read(findOlder, { projectId, generation, limit: batchSize });
  const count =
    old.payloads.length + old.secrets.length + old.containers.length + old.passphrases.length;
  if (count === 0) return { more: false, payloads: 0 };
  const reseal = async (where: readonly string[], from: number, sealed: Uint8Array) => {
    const bytes = open((await keys.byGeneration(projectId, from)).sealing, where, sealed);
    const anew = seal(key.sealing, where, bytes);
    bytes.fill(0);
    return anew;
  };
  const payloads = [];
  for (const { id, content_type: type, generation: from, sealed } of old.payloads) {
    const where = payloadContext(projectId, id, type);
    payloads.push({ id, from, sealed: await reseal(where, from, sealed) });
  }
  const passphrases = [];
  for (const { id, passphrase, passphrase_generation: from } of old.passphrases)
    passphrases.push({
      id,
      sealed: await reseal(passphraseContext(projectId, id), from, passphrase),
    });
  const tags = [];
  for (const row of old.secrets) tags.push(await retag(context, "secret", row, key));
  for (const row of old.containers) tags.push(await retag(context, "container", row, key));
  await store.write(replaceOlder, { generation, payloads, passphrases, tags });
  return { more: true, payloads: payloads.length };
}

/** Never blesses what is not authentic: the old tag is checked first. */
async function retag(
  { keys }: ServiceContext,
  kind: "secret" | "container",
  row: OwnedRow,
  key: ProjectKey,
): Promise<{ table: "secrets" | "containers"; id: string; oldTag: Uint8Array; tag: Uint8Array }> {
  await verifyOwnership(keys, kind, row);
  const tag = ownershipTag(key, ownershipOf(kind, row));
  return { table: `${kind}s`, id: row.id, oldTag: row.tag, tag };
}
