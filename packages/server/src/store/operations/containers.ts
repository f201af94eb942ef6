import { randomUUID } from "node:crypto";
import { all, one, operation, run, type SqlValue, type Steps } from "../operation.ts";
import {
  columnsOf,
  insertRow,
  type Tagged,
  updateRow,
  verifiedAll,
  verifiedIfAny,
} from "../tagged-rows.ts";
import {
  type ContainerMember,
  type ContainerRow,
  type ContainerWithMembers,
  containersWithMembers,
  lockContainer,
  type MemberRow,
  partsOf,
} from "./container-members.ts";
import { fitting, isFull } from "./items.ts";
import { type PageOf, rowsBefore } from "./pages.ts";
import { addCount, countOf, quotaAllows } from "./quotas.ts";
import { hasSecret, verifiedSecrets } from "./secrets.ts";

export type { ContainerMember, ContainerRow };

export interface ContainerConsumer {
  readonly name: string;
  readonly url: string;
}

export interface ContainerConsumerRow extends ContainerConsumer {
  readonly id: string;
  readonly container_id: string;
  /** The project that registered it. */
  readonly project_id: string;
  readonly created: string;
  readonly updated: string;
}

/** A container with all that its document shows. */
export interface WholeContainer {
  readonly row: Tagged<ContainerRow>;
  readonly members: readonly ContainerMember[];
  readonly consumers: readonly ContainerConsumer[];
}

const consumerColumns = columnsOf("container_consumers");

/** A container, verified together with its members. */
export const findContainer = operation(
  import.meta.url,
  "findContainer",
  function* (p: { readonly id: string }) {
    return (yield* containersWithMembers("WHERE id = ?", p.id))[0]?.row;
  },
);

/** Completes containers, in their order. Secrets that were deleted since are left out; those that expired are not. */
function* complete(found: readonly ContainerWithMembers[]): Steps<readonly WholeContainer[]> {
  if (found.length === 0) return [];
  const hidden = found.flatMap(({ members }) => members.filter(isDeleted));
  yield* verifiedSecrets(hidden.map(({ secret_id: id }) => id));
  const ids = found.map(({ row }) => row.id);
  const consumers = yield* consumersWhere(
    `container_id IN (${ids.map(() => "?").join(", ")}) ORDER BY name, created, id`,
    ...ids,
  );
  return found.map(({ row, members }) => ({
    row,
    members: members.filter((member) => !isDeleted(member)),
    consumers: consumers.filter((consumer) => consumer.container_id === row.id),
  }));
}

function isDeleted({ deleted }: ContainerWithMembers["members"][number]): boolean {
  return deleted !== null;
}

function* consumersWhere(
  where: string,
  ...args: readonly SqlValue[]
): Steps<readonly ContainerConsumerRow[]> {
  return yield* verifiedAll(
    "container_consumers",
    yield* all<Tagged<ContainerConsumerRow>>(
      `SELECT ${consumerColumns} FROM container_consumers WHERE ${where}`,
      ...args,
    ),
  );
}

/** One that is to be removed in this transaction. */
function* lockConsumer(
  containerId: string,
  { name, url }: ContainerConsumer,
): Steps<ContainerConsumerRow | undefined> {
  const row = yield* one<Tagged<ContainerConsumerRow>>(
    `SELECT ${consumerColumns} FROM container_consumers
     WHERE container_id = ? AND name = ? AND url = ? /*pg FOR UPDATE */`,
    containerId,
    name,
    url,
  );
  return yield* verifiedIfAny("container_consumers", row);
}

function* wholeContainer(id: string): Steps<WholeContainer | undefined> {
  return (yield* wholeContainers([id]))[0];
}

function* wholeContainers(ids: readonly string[]): Steps<readonly WholeContainer[]> {
  if (ids.length === 0) return [];
  const which = `WHERE id IN (${ids.map(() => "?").join(", ")})`;
  return yield* complete(yield* containersWithMembers(which, ...ids));
}

export const findWholeContainer = operation(
  import.meta.url,
  "findWholeContainer",
  function* (p: { readonly id: string }) {
    return yield* wholeContainer(p.id);
  },
);

export const listContainers = operation(
  import.meta.url,
  "listContainers",
  function* (
    p: PageOf & {
      readonly projectId: string;
      /** `%` and `_` are wildcards. */
      readonly name: string | null;
      readonly type: string | null;
      readonly now: string;
      /** Of more members and consumers than this, the page has fewer containers; one at least. */
      readonly maxItems: number;
    },
  ) {
    let where = "project_id = ?";
    const args: SqlValue[] = [p.projectId];
    if (p.name !== null) {
      where += " AND name LIKE ? /*pg ESCAPE '' */";
      args.push(p.name);
    }
    if (p.type !== null) {
      where += " AND type = ?";
      args.push(p.type);
    }
    const order = "created, id";
    const offset = yield* rowsBefore({ from: "containers", id: "id", where, args, order }, p);
    const rows = yield* all<{ readonly id: string }>(
      `SELECT id FROM containers WHERE ${where} ORDER BY ${order} LIMIT ? OFFSET ?`,
      ...args,
      p.limit,
      offset,
    );
    const ids = rows.map(({ id }) => id);
    const total =
      args.length === 1
        ? yield* countOf(p.projectId, "containers", p.now)
        : ((yield* one<{ n: number }>(
            `SELECT CAST(COUNT(*) AS INTEGER) AS n FROM containers WHERE ${where}`,
            ...args,
          ))?.n ?? 0);
    const shown = yield* fitting(["container_secrets", "container_consumers"], ids, p.maxItems);
    return { containers: yield* wholeContainers(ids.slice(0, shown)), total, offset };
  },
);

/** Adds a container to the tables, without a look at quotas or members. */
export function* addContainer(row: ContainerRow, members: readonly ContainerMember[]): Steps<void> {
  const placed = members.map((member, position) => ({ ...member, position }));
  yield* insertRow("containers", row, { parts: partsOf(placed) });
  for (const member of placed) yield* addMember(row.id, member);
  yield* addCount(row.project_id, "containers", 1);
}

function* addMember(containerId: string, member: MemberRow): Steps<void> {
  yield* run(
    "INSERT INTO container_secrets (container_id, secret_id, name, position) VALUES (?, ?, ?, ?)",
    containerId,
    member.secret_id,
    member.name,
    member.position,
  );
}

export const insertContainer = operation(
  import.meta.url,
  "insertContainer",
  function* (p: {
    readonly row: ContainerRow;
    readonly members: readonly ContainerMember[];
    readonly defaultQuota: number;
  }) {
    const { project_id: projectId, created } = p.row;
    if (!(yield* quotaAllows(projectId, "containers", p.defaultQuota, created)))
      return { refused: "quota" as const };
    for (const member of p.members)
      if (!(yield* hasSecret(projectId, member.secret_id, created)))
        return { refused: "secret_not_found" as const };
    yield* addContainer(p.row, p.members);
    return {};
  },
);

export const deleteContainer = operation(
  import.meta.url,
  "deleteContainer",
  function* (p: { readonly id: string }) {
    const found = yield* lockContainer(p.id);
    if (!found) return { refused: "not_found" as const };
    const owners = yield* all<{ project_id: string; n: number }>(
      `SELECT project_id, CAST(COUNT(*) AS INTEGER) AS n FROM container_consumers
       WHERE container_id = ? GROUP BY project_id`,
      p.id,
    );
    for (const owner of owners) yield* addCount(owner.project_id, "consumers", -owner.n);
    yield* run("DELETE FROM acl_users WHERE object_id = ?", p.id);
    yield* run("DELETE FROM containers WHERE id = ?", p.id);
    yield* addCount(found.row.project_id, "containers", -1);
    return {};
  },
);

/** Puts one more secret of the caller's project into a container. */
export const addContainerSecret = operation(
  import.meta.url,
  "addContainerSecret",
  function* (p: {
    readonly containerId: string;
    readonly projectId: string;
    readonly member: ContainerMember;
    readonly now: string;
    /** How many members a container may have. */
    readonly maxItems: number;
  }) {
    const { member } = p;
    if (!(yield* hasSecret(p.projectId, member.secret_id, p.now)))
      return { refused: "secret_not_found" as const };
    const found = yield* lockContainer(p.containerId);
    if (!found) return { refused: "not_found" as const };
    const { row, members } = found;
    if (members.some((known) => isSame(known, member))) return { refused: "conflict" as const };
    if (members.length >= p.maxItems) return { refused: "too_many" as const };
    const added = { ...member, position: (members.at(-1)?.position ?? -1) + 1 };
    yield* addMember(p.containerId, added);
    yield* updateRow("containers", row, { updated: p.now }, partsOf([...members, added]));
    return {};
  },
);

export const removeContainerSecret = operation(
  import.meta.url,
  "removeContainerSecret",
  function* (p: {
    readonly containerId: string;
    readonly member: ContainerMember;
    readonly now: string;
  }) {
    const found = yield* lockContainer(p.containerId);
    const removed = found?.members.filter((member) => isSame(member, p.member)) ?? [];
    if (!found || removed.length === 0) return { refused: "not_found" as const };
    for (const { position } of removed)
      yield* run(
        "DELETE FROM container_secrets WHERE container_id = ? AND position = ?",
        p.containerId,
        position,
      );
    const left = found.members.filter((member) => !removed.includes(member));
    yield* updateRow("containers", found.row, { updated: p.now }, partsOf(left));
    return {};
  },
);

function isSame(member: ContainerMember, other: ContainerMember): boolean {
  return member.secret_id === other.secret_id && (member.name ?? "") === (other.name ?? "");
}

export const listContainerConsumers = operation(
  import.meta.url,
  "listContainerConsumers",
  function* (p: { readonly containerId: string; readonly limit: number; readonly offset: number }) {
    const rows = yield* consumersWhere(
      "container_id = ? ORDER BY name, created, id LIMIT ? OFFSET ?",
      p.containerId,
      p.limit,
      p.offset,
    );
    const total = yield* one<{ n: number }>(
      "SELECT CAST(COUNT(*) AS INTEGER) AS n FROM container_consumers WHERE container_id = ?",
      p.containerId,
    );
    return { rows, total: total?.n ?? 0 };
  },
);

export const findContainerConsumer = operation(
  import.meta.url,
  "findContainerConsumer",
  function* (p: { readonly containerId: string; readonly id: string }) {
    return (yield* consumersWhere("container_id = ? AND id = ?", p.containerId, p.id))[0];
  },
);

/** Registers a consumer, once; the caller's project is charged for it. Resolves to the whole container. */
export const addContainerConsumer = operation(
  import.meta.url,
  "addContainerConsumer",
  function* (p: {
    readonly containerId: string;
    readonly projectId: string;
    readonly consumer: ContainerConsumer;
    readonly now: string;
    readonly defaultQuota: number;
    /** How many consumers a container may have. */
    readonly maxItems: number;
  }) {
    if (!(yield* lockContainer(p.containerId))) return { refused: "not_found" as const };
    if (!(yield* lockConsumer(p.containerId, p.consumer))) {
      if (yield* isFull("container_consumers", p.containerId, p.maxItems))
        return { refused: "too_many" as const };
      if (!(yield* quotaAllows(p.projectId, "consumers", p.defaultQuota, p.now)))
        return { refused: "quota" as const };
      yield* insertRow("container_consumers", {
        id: randomUUID(),
        container_id: p.containerId,
        project_id: p.projectId,
        name: p.consumer.name,
        url: p.consumer.url,
        created: p.now,
        updated: p.now,
      });
      yield* addCount(p.projectId, "consumers", 1);
    }
    return { container: yield* wholeContainer(p.containerId) };
  },
);

/** Takes a consumer off: the project that registered it, or the container's, may. */
export const removeContainerConsumer = operation(
  import.meta.url,
  "removeContainerConsumer",
  function* (p: {
    readonly containerId: string;
    readonly ownerProjectId: string;
    readonly projectId: string;
    readonly consumer: ContainerConsumer;
  }) {
    const found = yield* lockConsumer(p.containerId, p.consumer);
    if (!found) return { refused: "not_found" as const };
    if (found.project_id !== p.projectId && p.ownerProjectId !== p.projectId)
      return { refused: "not_owner" as const };
    yield* run("DELETE FROM container_consumers WHERE id = ?", found.id);
    yield* addCount(found.project_id, "consumers", -1);
    return { container: yield* wholeContainer(p.containerId) };
  },
);
