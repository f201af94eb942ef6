import type { Principal } from "../model/principal.ts";
import { issueSeen, objectFull, quotaReached, WireError } from "../model/wire-error.ts";
import type { PolicyRule } from "../policy/rule-names.ts";
import {
  addContainerConsumer,
  addContainerSecret,
  type ContainerConsumer,
  type ContainerConsumerRow,
  type ContainerMember,
  type ContainerRow,
  deleteContainer,
  findContainer,
  findContainerConsumer,
  findWholeContainer,
  insertContainer,
  listContainerConsumers,
  listContainers,
  removeContainerConsumer,
  removeContainerSecret,
  type WholeContainer,
} from "../store/operations/containers.ts";
import type { PageOf } from "../store/operations/pages.ts";
import { authorise, maxItemsOnPage, type ServiceContext } from "./context.ts";
import { checkId } from "./ids.ts";
import { type OwnedRow, targetOf } from "./ownership.ts";
import { refusal } from "./secret-consumers.ts";
import { nowOf, secretNotFound } from "./secrets.ts";

export type { ContainerConsumer, ContainerConsumerRow, ContainerMember, WholeContainer };

export interface NewContainer {
  readonly type: string;
  readonly name: string | null;
  readonly members: readonly ContainerMember[];
}

export interface ContainerQuery extends PageOf {
  readonly name: string | null;
  readonly type: string | null;
}

/** Groups of secrets: generic, RSA pairs, certificates with their keys. */
export class ContainerService {
  readonly #context: ServiceContext;

  constructor(context: ServiceContext) {
    this.#context = context;
  }

  async create(principal: Principal, input: () => NewContainer): Promise<string> {
    const context = this.#context;
    await authorise(context, principal, "containers:post", "Container creation");
    const container = input();
    if (container.members.length > context.limits.itemsPerObject)
      throw issueSeen(
        400,
        "Container creation",
        `it may have ${context.limits.itemsPerObject} secrets`,
      );
    const id = context.newId();
    const result = await context.store.write(
      insertContainer,
      {
        row: makeContainer(context, principal, id, container),
        members: container.members,
        defaultQuota: context.defaultQuotas.containers,
      },
      context.audit.entry(principal, "containers:post", id),
    );
    if (!("refused" in result)) return id;
    throw result.refused === "quota"
      ? quotaReached("Container creation", "containers")
      : secretNotFound();
  }

  async describe(principal: Principal, id: string): Promise<WholeContainer> {
    await this.#authorise(principal, id, "container:get", "Container retrieval");
    const whole = await this.#context.store.read(findWholeContainer, { id });
    if (!whole) throw containerNotFound();
    return whole;
  }

  async list(
    principal: Principal,
    query: () => ContainerQuery,
  ): Promise<{
    readonly containers: readonly WholeContainer[];
    readonly total: number;
    readonly offset: number;
  }> {
    const { store, clock } = this.#context;
    await authorise(this.#context, principal, "containers:get", "Containers(s) retrieval");
    return store.read(listContainers, {
      ...query(),
      projectId: principal.projectId,
      now: nowOf(clock.nowMs()),
      maxItems: maxItemsOnPage,
    });
  }

  async remove(principal: Principal, id: string): Promise<void> {
    const { store, audit } = this.#context;
    await this.#authorise(principal, id, "container:delete", "Container deletion");
    const entry = audit.entry(principal, "container:delete", id);
    const result = await store.write(deleteContainer, { id }, entry);
    if ("refused" in result) throw containerNotFound();
  }

  async addSecret(principal: Principal, id: string, input: () => ContainerMember): Promise<void> {
    const { store, audit, clock, limits } = this.#context;
    const rule = "container_secret:post";
    const operation = "Container secret creation";
    const row = await this.#authorise(principal, id, rule, operation);
    if (row.type !== "generic")
      throw issueSeen(400, operation, "only a generic container takes another secret");
    const result = await store.write(
      addContainerSecret,
      {
        containerId: id,
        projectId: principal.projectId,
        member: input(),
        now: clock.timestamp(),
        maxItems: limits.itemsPerObject,
      },
      audit.entry(principal, rule, id),
    );
    if (!("refused" in result)) return;
    if (result.refused === "too_many") throw objectFull(operation, "container", "secrets");
    if (result.refused === "conflict")
      throw new WireError(409, "Conflict. The secret is in the container under this name already.");
    throw result.refused === "not_found" ? containerNotFound() : secretNotFound();
  }

  async removeSecret(
    principal: Principal,
    id: string,
    input: () => ContainerMember,
  ): Promise<void> {
    const { store, audit, clock } = this.#context;
    const rule = "container_secret:delete";
    await this.#authorise(principal, id, rule, "Container secret deletion");
    const result = await store.write(
      removeContainerSecret,
      { containerId: id, member: input(), now: clock.timestamp() },
      audit.entry(principal, rule, id),
    );
    if ("refused" in result)
      throw new WireError(404, "Not Found. Secret not found in the container.");
  }

  async consumers(
    principal: Principal,
    id: string,
    page: () => { readonly limit: number; readonly offset: number },
  ): Promise<{ readonly rows: readonly ContainerConsumerRow[]; readonly total: number }> {
    await this.#authorise(principal, id, "container_consumers:get", "ContainerConsumers retrieval");
    return this.#context.store.read(listContainerConsumers, { containerId: id, ...page() });
  }

  async consumer(
    principal: Principal,
    id: string,
    consumerId: string,
  ): Promise<ContainerConsumerRow> {
    await this.find(id);
    checkId("consumer", consumerId);
    await this.#authorise(principal, id, "consumer:get", "ContainerConsumer retrieval");
    const { store } = this.#context;
    const found = await store.read(findContainerConsumer, { containerId: id, id: consumerId });
    if (!found) throw refusal("not_found");
    return found;
  }

  async addConsumer(
    principal: Principal,
    id: string,
    input: () => ContainerConsumer,
  ): Promise<WholeContainer> {
    const { store, audit, clock, defaultQuotas, limits } = this.#context;
    const rule = "container_consumers:post";
    const operation = "ContainerConsumer creation";
    await this.#authorise(principal, id, rule, operation);
    const result = await store.write(
      addContainerConsumer,
      {
        containerId: id,
        projectId: principal.projectId,
        consumer: input(),
        now: clock.timestamp(),
        defaultQuota: defaultQuotas.consumers,
        maxItems: limits.itemsPerObject,
      },
      audit.entry(principal, rule, id),
    );
    if ("container" in result && result.container) return result.container;
    if ("refused" in result && result.refused === "too_many")
      throw objectFull(operation, "container", "consumers");
    throw "refused" in result && result.refused === "quota"
      ? quotaReached(operation, "consumers")
      : containerNotFound();
  }

  async removeConsumer(
    principal: Principal,
    id: string,
    input: () => ContainerConsumer,
  ): Promise<WholeContainer> {
    const { store, audit } = this.#context;
    const rule = "container_consumers:delete";
    const row = await this.#authorise(principal, id, rule, "ContainerConsumer deletion");
    const result = await store.write(
      removeContainerConsumer,
      {
        containerId: id,
        ownerProjectId: row.project_id,
        projectId: principal.projectId,
        consumer: input(),
      },
      audit.entry(principal, rule, id),
    );
    if ("container" in result && result.container) return result.container;
    throw "refused" in result && result.refused ? refusal(result.refused) : containerNotFound();
  }

  /** Finds a container, verified. @throws WireError 404 */
  async find(id: string): Promise<ContainerRow & OwnedRow> {
    checkId("container", id);
    const row = await this.#context.store.read(findContainer, { id });
    if (!row) throw containerNotFound();
    return row;
  }

  async #authorise(
    principal: Principal,
    id: string,
    rule: PolicyRule,
    operation: string,
  ): Promise<ContainerRow & OwnedRow> {
    const row = await this.find(id);
    await authorise(this.#context, principal, rule, operation, targetOf(row, principal), id);
    return row;
  }
}

/** The row of a new container. */
export function makeContainer(
  context: ServiceContext,
  owner: { readonly projectId: string; readonly userId: string },
  id: string,
  container: Pick<NewContainer, "type" | "name">,
): ContainerRow {
  const now = context.clock.timestamp();
  return {
    id,
    project_id: owner.projectId,
    creator_id: owner.userId,
    name: container.name,
    type: container.type,
    created: now,
    updated: now,
    acl: null,
  };
}

function containerNotFound(): WireError {
  return new WireError(404, "Not Found. Secrets container not found.");
}
