import type { Principal } from "../model/principal.ts";
import { issueSeen, objectFull, WireError } from "../model/wire-error.ts";
import type { PolicyRule } from "../policy/rule-names.ts";
import {
  deleteMetadatum,
  findMetadata,
  insertMetadatum,
  type Metadatum,
  replaceMetadata,
  updateMetadatum,
} from "../store/operations/secret-metadata.ts";
import { authorise, type ServiceContext } from "./context.ts";
import { targetOf } from "./ownership.ts";
import { type SecretService, secretNotFound } from "./secrets.ts";

export type { Metadatum };

/** User-defined keys and values of secrets. */
export class MetadataService {
  readonly #context: ServiceContext;
  readonly #secrets: SecretService;

  constructor(context: ServiceContext, secrets: SecretService) {
    this.#context = context;
    this.#secrets = secrets;
  }

  async all(principal: Principal, secretId: string): Promise<readonly Metadatum[]> {
    await this.#authorise(principal, secretId, "secret_meta:get", "Secret metadata retrieval");
    return this.#context.store.read(findMetadata, { secretId });
  }

  async one(principal: Principal, secretId: string, key: string): Promise<Metadatum> {
    await this.#authorise(principal, secretId, "secret_meta:get", "Secret metadatum retrieval");
    return this.#find(secretId, key);
  }

  async replace(
    principal: Principal,
    secretId: string,
    input: () => readonly Metadatum[],
  ): Promise<void> {
    await this.#authorise(principal, secretId, "secret_meta:put", "Secret metadata creation");
    const { store, audit, limits } = this.#context;
    const metadata = input();
    if (metadata.length > limits.itemsPerObject)
      throw issueSeen(
        400,
        "Secret metadata creation",
        `a secret may have ${limits.itemsPerObject} items of metadata`,
      );
    const result = await store.write(
      replaceMetadata,
      { secretId, metadata },
      audit.entry(principal, "secret_meta:put", secretId),
    );
    if ("refused" in result) throw secretNotFound();
  }

  async add(principal: Principal, secretId: string, input: () => Metadatum): Promise<Metadatum> {
    await this.#authorise(principal, secretId, "secret_meta:post", "Secret metadatum creation");
    const { store, audit, limits } = this.#context;
    const metadatum = input();
    const result = await store.write(
      insertMetadatum,
      { secretId, ...metadatum, maxItems: limits.itemsPerObject },
      audit.entry(principal, "secret_meta:post", secretId),
    );
    if (!("refused" in result)) return metadatum;
    if (result.refused === "not_found") throw secretNotFound();
    if (result.refused === "too_many")
      throw objectFull("Secret metadatum creation", "secret", "items of metadata");
    throw new WireError(409, "Conflict. The key is in the secret's metadata already.");
  }

  async update(
    principal: Principal,
    secretId: string,
    key: string,
    input: () => Metadatum,
  ): Promise<Metadatum> {
    await this.#authorise(principal, secretId, "secret_meta:put", "Secret metadatum update");
    const { store, audit } = this.#context;
    const metadatum = input();
    if (metadatum.key !== key)
      throw new WireError(409, "Conflict. The key in the request is not the key in the URL.");
    const result = await store.write(
      updateMetadatum,
      { secretId, ...metadatum },
      audit.entry(principal, "secret_meta:put", secretId),
    );
    if ("refused" in result) throw metadatumNotFound();
    return metadatum;
  }

  async remove(principal: Principal, secretId: string, key: string): Promise<void> {
    await this.#authorise(principal, secretId, "secret_meta:delete", "Secret metadatum deletion");
    const { store, audit } = this.#context;
    const entry = audit.entry(principal, "secret_meta:delete", secretId);
    await store.write(deleteMetadatum, { secretId, key }, entry);
  }

  async #find(secretId: string, key: string): Promise<Metadatum> {
    const all = await this.#context.store.read(findMetadata, { secretId });
    const found = all.find((metadatum) => metadatum.key === key);
    if (!found) throw metadatumNotFound();
    return found;
  }

  async #authorise(
    principal: Principal,
    secretId: string,
    rule: PolicyRule,
    operation: string,
  ): Promise<void> {
    const row = await this.#secrets.find(secretId);
    await authorise(this.#context, principal, rule, operation, targetOf(row, principal), secretId);
  }
}

function metadatumNotFound(): WireError {
  return new WireError(404, "Not Found. Secret metadatum not found.");
}
