import { type ProjectKeys, payloadContext } from "../crypto/project-keys.ts";
import { IntegrityError, open } from "../crypto/seal.ts";
import { verifyOwnership } from "../services/ownership.ts";
import { all, operation } from "../store/operation.ts";
import type { ContainerRow } from "../store/operations/containers.ts";
import type { SecretRow } from "../store/operations/secrets.ts";
import type { Store } from "../store/store.ts";

const objectsAtOnce = 500;

type SecretWithPayload = SecretRow & {
  readonly generation: number | null;
  readonly sealed: Uint8Array | null;
};

export const pageOfSecrets = operation(
  import.meta.url,
  "pageOfSecrets",
  function* (p: { readonly after: string }) {
    return yield* all<SecretWithPayload>(
      `SELECT s.*, p.generation, p.sealed FROM secrets s
       LEFT JOIN payloads p ON p.secret_id = s.id WHERE s.id > ? ORDER BY s.id LIMIT ?`,
      p.after,
      objectsAtOnce,
    );
  },
);

export const pageOfContainers = operation(
  import.meta.url,
  "pageOfContainers",
  function* (p: { readonly after: string }) {
    return yield* all<ContainerRow>(
      "SELECT * FROM containers WHERE id > ? ORDER BY id LIMIT ?",
      p.after,
      objectsAtOnce,
    );
  },
);

export interface Verification {
  /** Secrets and containers that were looked at. */
  readonly objects: number;
  /** Ids of those whose owner, ACL or payload is not authentic: they cannot be read here or there. */
  readonly damaged: readonly string[];
}

/** Checks every object's integrity tag, and opens every payload. */
export async function verifyObjects(store: Store, keys: ProjectKeys): Promise<Verification> {
  const damaged: string[] = [];
  let objects = 0;
  const check = async (id: string, verify: () => Promise<void>) => {
    objects++;
    try {
      await verify();
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      damaged.push(id);
    }
  };
  for await (const row of pages(async (after) => store.read(pageOfSecrets, { after })))
    await check(row.id, () => verifySecret(keys, row));
  for await (const row of pages(async (after) => store.read(pageOfContainers, { after })))
    await check(row.id, () => verifyOwnership(keys, "container", row));
  return { objects, damaged };
}

async function verifySecret(keys: ProjectKeys, row: SecretWithPayload): Promise<void> {
  await verifyOwnership(keys, "secret", row);
  if (row.sealed === null || row.generation === null) return;
  const key = await keys.byGeneration(row.project_id, row.generation);
  const context = payloadContext(row.project_id, row.id, row.content_type ?? "");
  open(key.sealing, context, row.sealed).fill(0);
}

async function* pages<R extends { readonly id: string }>(
  read: (after: string) => Promise<readonly R[]>,
): AsyncGenerator<R> {
  let after = "";
  for (;;) {
    const rows = await read(after);
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
  }
}
