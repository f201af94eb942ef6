import { issueSeen, objectFull, WireError } from "../model/wire-error.ts";
import {
  deleteMetadatum,
  findMetadata,
  insertMetadatum,
  type Metadatum,
  replaceMetadata,
  updateMetadatum,
} from "../store/operations/secret-metadata.ts";
import type { RequestContext } from "./context.ts";
import { notFound } from "./not-found.ts";
import type { Permit } from "./permit.ts";

export type { Metadatum };

/** User-defined keys and values of secrets. */
export class MetadataService {
  readonly #context: RequestContext;

  constructor(context: RequestContext) {
    this.#context = context;
  }

  all(_permit: Permit, secretId: string): Promise<readonly Metadatum[]> {
    return this.#context.store.read(findMetadata, { secretId });
  }

  async one(permit: Permit, secretId: string, key: string): Promise<Metadatum> {
    const all = await this.all(permit, secretId);
    const found = all.find((metadatum) => metadatum.key === key);
    if (!found) throw notFound("Secret metadatum");
    return found;
  }

  async replace(permit: Permit, secretId: string, metadata: readonly Metadatum[]): Promise<void> {
    const { limits } = this.#context;
    if (metadata.length > limits.itemsPerObject)
      throw issueSeen(
        400,
        "Secret metadata creation",
        `a secret may have ${limits.itemsPerObject} items of metadata`,
      );
    const result = await permit.write(replaceMetadata, { secretId, metadata });
    if ("refused" in result) throw notFound("Secret");
  }

  async add(permit: Permit, secretId: string, metadatum: Metadatum): Promise<void> {
    const maxItems = this.#context.limits.itemsPerObject;
    const result = await permit.write(insertMetadatum, { secretId, ...metadatum, maxItems });
    if (!("refused" in result)) return;
    if (result.refused === "not_found") throw notFound("Secret");
    if (result.refused === "too_many")
      throw objectFull("Secret metadatum creation", "secret", "items of metadata");
    throw new WireError(409, "Conflict. The key is in the secret's metadata already.");
  }

  /** @param key of the URL: the metadatum must have the same */
  async update(permit: Permit, secretId: string, key: string, metadatum: Metadatum): Promise<void> {
    if (metadatum.key !== key)
      throw new WireError(409, "Conflict. The key in the request is not the key in the URL.");
    const result = await permit.write(updateMetadatum, { secretId, ...metadatum });
    if ("refused" in result) throw notFound("Secret metadatum");
  }

  async remove(permit: Permit, secretId: string, key: string): Promise<void> {
    await permit.write(deleteMetadatum, { secretId, key });
  }
}
