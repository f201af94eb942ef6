import { open, seal } from "../crypto/seal.ts";
import { payloadContext } from "../keyring/project-keys.ts";
import type { ServiceContext } from "../services/context.ts";
import { passphraseContext } from "../services/orders.ts";
import { listKeyedProjects } from "../store/operations/keys.ts";
import {
  deleteOlderKeys,
  findGenerations,
  findOlder,
  replaceOlder,
} from "../store/operations/rotation.ts";

const batchSize = 50;

/**
 * Gives every project a new key and seals all of its payloads with it, while others
 * read and write; then the old keys are deleted. An interrupted rotation is
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
  // Another process may have begun it.
  keys.forget(projectId);
  const generation = await beginRotation(context, projectId);
  let payloads = 0;
  for (;;) {
    const done = await sealBatch(context, projectId, generation);
    payloads += done.payloads;
    if (done.more) continue;
    const deleted = await store.write(deleteOlderKeys, { projectId, generation });
    if (!("refused" in deleted)) break;
  }
  keys.forget(projectId);
  return payloads;
}

/**
 * The generation that all older keys give way to: the one of a rotation that was cut
 * short, or a new one. A key that follows one which sealed enough is no rotation's:
 * it may be as old as whatever the rotation is for.
 */
async function beginRotation({ store, keys }: ServiceContext, projectId: string): Promise<number> {
  for (;;) {
    const rows = await store.read(findGenerations, { projectId });
    const begun = rows.find(({ rotation }, index) => rotation === 1 && index < rows.length - 1);
    if (begun) return begun.generation;
    await keys.add(projectId, (rows[0]?.generation ?? 0) + 1, true);
  }
}

async function sealBatch(
  context: ServiceContext,
  projectId: string,
  generation: number,
): Promise<{ readonly more: boolean; readonly payloads: number }> {
  const { store, keys } = context;
  const old = await store.read(findOlder, { projectId, generation, limit: batchSize });
  if (old.payloads.length + old.orders.length === 0) return { more: false, payloads: 0 };
  const reseal = async (where: readonly string[], from: number, sealed: Uint8Array) => {
    const bytes = open((await keys.byGeneration(projectId, from)).sealing, where, sealed);
    const key = await keys.toSeal(projectId);
    const resealed = seal(key.sealing, where, bytes);
    bytes.fill(0);
    return { sealed: resealed, generation: key.generation };
  };
  const payloads = [];
  for (const { id, content_type: type, generation: from, sealed } of old.payloads)
    payloads.push({
      id,
      from,
      ...(await reseal(payloadContext(projectId, id, type), from, sealed)),
    });
  const passphrases = [];
  for (const { id, passphrase, passphrase_generation: from } of old.orders) {
    if (passphrase === null || from === null) continue;
    const where = passphraseContext(projectId, id);
    passphrases.push({ id, ...(await reseal(where, from, passphrase)) });
  }
  await store.write(replaceOlder, { payloads, passphrases });
  return { more: true, payloads: payloads.length };
}
