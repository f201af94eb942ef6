import { randomUUID } from "node:crypto";
import { all, one, operation, run, type SqlValue, type Steps } from "../operation.ts";
import { fitting, isFull } from "./items.ts";
import { hasProjectKey } from "./keys.ts";
import { addCount, countOf, quotaAllows } from "./quotas.ts";

export interface ContainerRow {
  readonly id: string;
  readonly project_id: string;
  readonly creator_id: string;
  readonly name: string | null;
  readonly type: string;
  readonly created: string;
  readonly updated: string;
  readonly acl: string | null;
  readonly tag: Uint8Array;
  readonly tag_generation: number;
}

export interface ContainerMember {
  readonly secret_id: string;
  readonly name: string | null;
}

export interface ContainerConsumer {
  readonly name: string;
  readonly url: string;
}

export interface ContainerConsumerRow extends ContainerConsumer {
  readonly id: string;
  readonly created: string;
  readonly updated: string;
}

/** A container with all that its document shows. */
export interface WholeContainer {
  readonly row: ContainerRow;
  readonly members: readonly ContainerMember[];
  readonly consumers: readonly ContainerConsumer[];
}

const columns = [
  "id",
  "project_id",
  "creator_id",
  "name",
  "type",
  "created",
  "updated",
  "acl",
  "tag",
  "tag_generation",
] as const satisfies readonly (keyof ContainerRow)[];
const columnList = columns.join(", ");
const findSql = `SELECT ${columnList} FROM containers WHERE id = ?`;

export const findContainer = operation(
  import.meta.url,
  "findContainer",
  function* (p: { readonly id: string }) {
    return yield* one<ContainerRow>(findSql, p.id);
  },
);

/** No limit. */
const maxRows = 2 ** 31 - 1;

/** Completes rows, in their order, as many as have at most `maxItems` together; one at least. */
function* complete(
  rows: readonly ContainerRow[],
  maxItems: number,
): Steps<readonly WholeContainer[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const found = yield* itemsOf(ids, maxItems === maxRows ? maxRows : maxItems + 1);
  if (found.members.length + found.consumers.length <= maxItems) return joined(rows, found);
  const shown = yield* fitting(["container_secrets", "container_consumers"], ids, maxItems);
  return joined(rows.slice(0, shown), yield* itemsOf(ids.slice(0, shown), maxRows));
}

interface Items {
  readonly members: readonly (ContainerMember & { readonly container_id: string })[];
  readonly consumers: readonly (ContainerConsumer & { readonly container_id: string })[];
}

/** Secrets that were deleted since are left out; those that expired are not. */
function* itemsOf(ids: readonly string[], limit: number): Steps<Items> {
  const list = ids.map(() => "?").join(", ");
  const members = yield* all<ContainerMember & { container_id: string }>(
    `SELECT m.container_id, m.secret_id, m.name FROM container_secrets m
     JOIN secrets s ON s.id = m.secret_id AND s.deleted IS NULL
     WHERE m.container_id IN (${list}) ORDER BY m.container_id, m.position LIMIT ?`,
    ...ids,
    limit,
  );
  const consumers = yield* all<ContainerConsumer & { container_id: string }>(
    `SELECT container_id, name, url FROM container_consumers
     WHERE container_id IN (${list}) ORDER BY name, created, id LIMIT ?`,
    ...ids,
    limit,
  );
  return { members, consumers };
}

function joined(rows: readonly ContainerRow[], items: Items): readonly WholeContainer[] {
  const members = Map.groupBy(items.members, (member) => member.container_id);
  const consumers = Map.groupBy(items.consumers, (consumer) => consumer.container_id);
  return rows.map((row) => ({
    row,
    members: members.get(row.id) ?? [],
    consumers: consumers.get(row.id) ?? [],
  }));
}

function* wholeContainer(id: string): Steps<WholeContainer | undefined> {
  const row = yield* one<ContainerRow>(findSql, id);
  return row && (yield* complete([row], maxRows))[0];
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
  function* (p: {
    readonly projectId: string;
    /** `%` and `_` are wildcards. */
    readonly name: string | null;
    readonly type: string | null;
    readonly now: string;
    readonly limit: number;
    readonly offset: number;
    /** Of more members and consumers than this, the page has fewer containers; one at least. */
    readonly maxItems: number;
  }) {
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
    const rows = yield* all<ContainerRow>(
      `SELECT ${columnList} FROM containers WHERE ${where} ORDER BY created, id LIMIT ? OFFSET ?`,
      ...args,
      p.limit,
      p.offset,
    );
    const total =
      args.length === 1
        ? yield* countOf(p.projectId, "containers", p.now)
        : ((yield* one<{ n: number }>(
            `SELECT CAST(COUNT(*) AS INTEGER) AS n FROM containers WHERE ${where}`,
            ...args,
          ))?.n ?? 0);
    return { containers: yield* complete(rows, p.maxItems), total };
  },
);

/** Adds a container to the tables, without a look at quotas or members. */
export function* addContainer(row: ContainerRow, members: readonly ContainerMember[]): Steps<void> {
  yield* run(
    `INSERT INTO containers (${columnList}) VALUES (${columns.map(() => "?").join(", ")})`,
    ...columns.map((column): SqlValue => row[column]),
  );
  for (const [position, member] of members.entries()) yield* addMember(row.id, member, position);
  yield* addCount(row.project_id, "containers", 1);
}

function* addMember(containerId: string, member: ContainerMember, position: number): Steps<void> {
  yield* run(
    "INSERT INTO container_secrets (container_id, secret_id, name, position) VALUES (?, ?, ?, ?)",
    containerId,
    member.secret_id,
    member.name,
    position,
  );
}

/** True if the project has this secret, and it has not expired. */
function* hasSecret(projectId: string, secretId: string, now: string): Steps<boolean> {
  const found = yield* one(
    `SELECT id FROM secrets WHERE id = ? AND project_id = ? AND deleted IS NULL
     AND (expiration IS NULL OR expiration > ?)`,
    secretId,
    projectId,
    now,
  );
  return found !== undefined;
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
    if (!(yield* hasProjectKey(projectId, p.row.tag_generation)))
      return { refused: "stale_key" as const };
    yield* addContainer(p.row, p.members);
    return {};
  },
);

export const deleteContainer = operation(
  import.meta.url,
  "deleteContainer",
  function* (p: { readonly id: string }) {
    const row = yield* one<{ project_id: string }>(
      "SELECT project_id FROM containers WHERE id = ? /*pg FOR UPDATE */",
      p.id,
    );
    if (!row) return { refused: "not_found" as const };
    const owners = yield* all<{ project_id: string; n: number }>(
      `SELECT project_id, CAST(COUNT(*) AS INTEGER) AS n FROM container_consumers
       WHERE container_id = ? GROUP BY project_id`,
      p.id,
    );
    for (const owner of owners) yield* addCount(owner.project_id, "consumers", -owner.n);
    yield* run("DELETE FROM acl_users WHERE object_id = ?", p.id);
    yield* run("DELETE FROM containers WHERE id = ?", p.id);
    yield* addCount(row.project_id, "containers", -1);
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
    const updated = yield* run(
      "UPDATE containers SET updated = ? WHERE id = ?",
      p.now,
      p.containerId,
    );
    if (updated === 0) return { refused: "not_found" as const };
    const known = yield* one(
      `SELECT position FROM container_secrets
       WHERE container_id = ? AND secret_id = ? AND COALESCE(name, '') = ?`,
      p.containerId,
      member.secret_id,
      member.name ?? "",
    );
    if (known) return { refused: "conflict" as const };
    if (yield* isFull("container_secrets", p.containerId, p.maxItems))
      return { refused: "too_many" as const };
    const last = yield* one<{ n: number }>(
      `SELECT CAST(COALESCE(MAX(position), -1) AS INTEGER) AS n FROM container_secrets
       WHERE container_id = ?`,
      p.containerId,
    );
    yield* addMember(p.containerId, member, (last?.n ?? -1) + 1);
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
    const changes = yield* run(
      `DELETE FROM container_secrets
       WHERE container_id = ? AND secret_id = ? AND COALESCE(name, '') = ?`,
      p.containerId,
      p.member.secret_id,
      p.member.name ?? "",
    );
    if (changes === 0) return { refused: "not_found" as const };
    yield* run("UPDATE containers SET updated = ? WHERE id = ?", p.now, p.containerId);
    return {};
  },
);

export const listContainerConsumers = operation(
  import.meta.url,
  "listContainerConsumers",
  function* (p: { readonly containerId: string; readonly limit: number; readonly offset: number }) {
    const rows = yield* all<ContainerConsumerRow>(
      `SELECT id, name, url, created, updated FROM container_consumers
       WHERE container_id = ? ORDER BY name, created, id LIMIT ? OFFSET ?`,
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
    return yield* one<ContainerConsumerRow>(
      `SELECT id, name, url, created, updated FROM container_consumers
       WHERE container_id = ? AND id = ?`,
      p.containerId,
      p.id,
    );
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
    const { name, url } = p.consumer;
    const container = yield* one(
      "SELECT id FROM containers WHERE id = ? /*pg FOR UPDATE */",
      p.containerId,
    );
    if (!container) return { refused: "not_found" as const };
    const known = yield* one(
      "SELECT id FROM container_consumers WHERE container_id = ? AND name = ? AND url = ?",
      p.containerId,
      name,
      url,
    );
    if (!known) {
      if (yield* isFull("container_consumers", p.containerId, p.maxItems))
        return { refused: "too_many" as const };
      if (!(yield* quotaAllows(p.projectId, "consumers", p.defaultQuota, p.now)))
        return { refused: "quota" as const };
      yield* run(
        `INSERT INTO container_consumers (id, container_id, project_id, name, url, created, updated)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        randomUUID(),
        p.containerId,
        p.projectId,
        name,
        url,
        p.now,
        p.now,
      );
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
    const found = yield* one<{ id: string; project_id: string }>(
      `SELECT id, project_id FROM container_consumers
       WHERE container_id = ? AND name = ? AND url = ? /*pg FOR UPDATE */`,
      p.containerId,
      p.consumer.name,
      p.consumer.url,
    );
    if (!found) return { refused: "not_found" as const };
    if (found.project_id !== p.projectId && p.ownerProjectId !== p.projectId)
      return { refused: "not_owner" as const };
    yield* run("DELETE FROM container_consumers WHERE id = ?", found.id);
    yield* addCount(found.project_id, "consumers", -1);
    return { container: yield* wholeContainer(p.containerId) };
  },
);
