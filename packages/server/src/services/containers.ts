import { issueSeen, objectFull, quotaReached, WireError } from "../model/wire-error.ts";
import {
  addContainerConsumer,
  addContainerSecret,
  type ContainerConsumer,
  type ContainerConsumerRow,
  type ContainerMember,
  type ContainerRow,
  deleteContainer,
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
import { maxItemsOnPage, nowOf, type RequestContext, type ServiceContext } from "./context.ts";
import { notFound } from "./not-found.ts";
import type { Permit } from "./permit.ts";
import { consumerStays } from "./secret-consumers.ts";

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
  readonly #context: RequestContext;

  constructor(context: RequestContext) {
    this.#context = context;
  }

  async create(permit: Permit, container: NewContainer): Promise<string> {
    const context = this.#context;
    if (container.members.length > context.limits.itemsPerObject)
      throw issueSeen(
        400,
        "Container creation",
        `it may have ${context.limits.itemsPerObject} secrets`,
      );
    const id = context.newId();
    const result = await permit.write(
      insertContainer,
      {
        row: makeContainer(context, permit.principal, id, container),
        members: container.members,
        defaultQuota: context.defaultQuotas.containers,
      },
      id,
    );
    if (!("refused" in result)) return id;
    throw result.refused === "quota"
      ? quotaReached("Container creation", "containers")
      : notFound("Secret");
  }

  async describe(_permit: Permit, id: string): Promise<WholeContainer> {
    const whole = await this.#context.store.read(findWholeContainer, { id });
    if (!whole) throw notFound("Secrets container");
    return whole;
  }

  list(
    permit: Permit,
    query: ContainerQuery,
  ): Promise<{
    readonly containers: readonly WholeContainer[];
    readonly total: number;
    readonly offset: number;
  }> {
    const { store, clock } = this.#context;
    return store.read(listContainers, {
      ...query,
      projectId: permit.principal.projectId,
      now: nowOf(clock),
      maxItems: maxItemsOnPage,
    });
  }

  async remove(permit: Permit, id: string): Promise<void> {
    const result = await permit.write(deleteContainer, { id });
    if ("refused" in result) throw notFound("Secrets container");
  }

  async addSecret(permit: Permit, id: string, member: ContainerMember): Promise<void> {
    const { clock, limits } = this.#context;
    const result = await permit.write(addContainerSecret, {
      containerId: id,
      projectId: permit.principal.projectId,
      member,
      now: clock.timestamp(),
      maxItems: limits.itemsPerObject,
    });
    if (!("refused" in result)) return;
    if (result.refused === "too_many")
      throw objectFull("Container secret creation", "container", "secrets");
    if (result.refused === "conflict")
      throw new WireError(409, "Conflict. The secret is in the container under this name already.");
    throw notFound(result.refused === "not_found" ? "Secrets container" : "Secret");
  }

  async removeSecret(permit: Permit, id: string, member: ContainerMember): Promise<void> {
    const now = this.#context.clock.timestamp();
    const result = await permit.write(removeContainerSecret, { containerId: id, member, now });
    if ("refused" in result)
      throw new WireError(404, "Not Found. Secret not found in the container.");
  }

  consumers(
    _permit: Permit,
    id: string,
    page: { readonly limit: number; readonly offset: number },
  ): Promise<{ readonly rows: readonly ContainerConsumerRow[]; readonly total: number }> {
    return this.#context.store.read(listContainerConsumers, { containerId: id, ...page });
  }

  async consumer(_permit: Permit, id: string, consumerId: string): Promise<ContainerConsumerRow> {
    const { store } = this.#context;
    const found = await store.read(findContainerConsumer, { containerId: id, id: consumerId });
    if (!found) throw notFound("Consumer");
    return found;
  }

  async addConsumer(
    permit: Permit,
    id: string,
    consumer: ContainerConsumer,
  ): Promise<WholeContainer> {
    const { clock, defaultQuotas, limits } = this.#context;
    const operation = "ContainerConsumer creation";
    const result = await permit.write(addContainerConsumer, {
      containerId: id,
      projectId: permit.principal.projectId,
      consumer,
      now: clock.timestamp(),
      defaultQuota: defaultQuotas.consumers,
      maxItems: limits.itemsPerObject,
    });
    if ("container" in result && result.container) return result.container;
    if ("refused" in result && result.refused === "too_many")
      throw objectFull(operation, "container", "consumers");
    throw "refused" in result && result.refused === "quota"
      ? quotaReached(operation, "consumers")
      : notFound("Secrets container");
  }

  async removeConsumer(
    permit: Permit,
    row: ContainerRow,
    consumer: ContainerConsumer,
  ): Promise<WholeContainer> {
    const result = await permit.write(removeContainerConsumer, {
      containerId: row.id,
      ownerProjectId: row.project_id,
      projectId: permit.principal.projectId,
      consumer,
    });
    if ("container" in result && result.container) return result.container;
    throw "refused" in result && result.refused
      ? consumerStays(result.refused)
      : notFound("Secrets container");
  }
}

/** The row of a new container. */
export function makeContainer(
  context: Pick<ServiceContext, "clock">,
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
