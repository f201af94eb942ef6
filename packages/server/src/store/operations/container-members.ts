import { all, one, run, type SqlValue, type Steps } from "../operation.ts";
import {
  columnsOf,
  isAuthentic,
  type Parts,
  type Tagged,
  updateRow,
  verified,
} from "../tagged-rows.ts";

export interface ContainerRow {
  readonly id: string;
  readonly project_id: string;
  readonly creator_id: string;
  readonly name: string | null;
  readonly type: string;
  readonly created: string;
  readonly updated: string;
  readonly acl: string | null;
}

export interface ContainerMember {
  readonly secret_id: string;
  readonly name: string | null;
}

/** A member with its place in the container. */
export interface MemberRow extends ContainerMember {
  readonly position: number;
}

/** A container, and its members as its tag covers them. */
export interface ContainerWithMembers {
  readonly row: Tagged<ContainerRow>;
  readonly members: readonly (MemberRow & {
    /** When the secret was deleted; not verified. Null while it is alive, undefined if there is no such secret. */
    readonly deleted?: string | null;
  })[];
  readonly parts: Parts;
}

/** The tag of a container covers its row and all members, by position. */
export function partsOf(members: readonly MemberRow[]): Parts {
  return members
    .toSorted((a, b) => a.position - b.position)
    .map((member): readonly SqlValue[] => [member.position, member.secret_id, member.name]);
}

/**
 * Reads containers with their members in one statement, so that no writer changes one between its row and its members,
 * and verifies them.
 *
 * @param which what follows FROM containers; its order must be by age
 * @throws `integrity`
 */
export function* containersWithMembers(
  which: string,
  ...args: readonly SqlValue[]
): Steps<readonly ContainerWithMembers[]> {
  const rows = yield* all<JoinedRow>(
    `SELECT ${columnsOf("containers", "c")}, m.position AS member_position,
       m.secret_id AS member_secret_id, m.name AS member_name, s.deleted AS member_deleted
     FROM (SELECT * FROM containers ${which}) c
     LEFT JOIN container_secrets m ON m.container_id = c.id
     LEFT JOIN secrets s ON s.id = m.secret_id
     ORDER BY c.created, c.id, m.position`,
    ...args,
  );
  const found: ContainerWithMembers[] = [];
  for (const group of Map.groupBy(rows, ({ id }) => id).values()) {
    const [row] = group;
    if (!row) continue;
    const members = group.flatMap(memberOf);
    const container = { row, members, parts: partsOf(members) };
    yield* verified("containers", container.row, container.parts);
    found.push(container);
  }
  return found;
}

type JoinedRow = Tagged<ContainerRow> & {
  readonly member_position: number | null;
  readonly member_secret_id: string | null;
  readonly member_name: string | null;
  readonly member_deleted: string | null;
};

function memberOf(row: JoinedRow): ContainerWithMembers["members"] {
  if (row.member_position === null || row.member_secret_id === null) return [];
  return [
    {
      position: row.member_position,
      secret_id: row.member_secret_id,
      name: row.member_name,
      deleted: row.member_deleted,
    },
  ];
}

/** A container that is to be changed in this transaction. */
export function* lockContainer(id: string): Steps<ContainerWithMembers | undefined> {
  const found = yield* unverified(id);
  if (found) yield* verified("containers", found.row, found.parts);
  return found;
}

/** Takes a secret that is about to be erased out of every container that has it. */
export function* dropMember(secretId: string): Steps<void> {
  yield* dropMembers(
    "secret_id = ?",
    "SELECT DISTINCT container_id FROM container_secrets WHERE secret_id = ?",
    secretId,
  );
}

/** Takes a project's secrets, which are about to be erased, out of other projects' containers. */
export function* dropMembersOfProject(projectId: string): Steps<void> {
  // None of them may be put into a container in the meantime.
  yield* one(
    `SELECT COUNT(*) AS n FROM
     (SELECT id FROM secrets WHERE project_id = ? /*pg FOR UPDATE */) s`,
    projectId,
  );
  yield* dropMembers(
    "secret_id IN (SELECT id FROM secrets WHERE project_id = ?)",
    `SELECT DISTINCT m.container_id FROM container_secrets m
     JOIN secrets s ON s.id = m.secret_id JOIN containers c ON c.id = m.container_id
     WHERE s.project_id = ? AND c.project_id <> s.project_id`,
    projectId,
  );
}

const columns = columnsOf("containers");

function* dropMembers(which: string, containers: string, argument: string): Steps<void> {
  for (const { container_id: id } of yield* all<{ container_id: string }>(containers, argument)) {
    const before = yield* unverified(id);
    // One that was changed behind the server's back stays refused.
    const authentic = before && (yield* isAuthentic("containers", before.row, before.parts));
    yield* run(`DELETE FROM container_secrets WHERE container_id = ? AND ${which}`, id, argument);
    if (authentic) yield* updateRow("containers", before.row, {}, partsOf(yield* membersOf(id)));
  }
}

/** Locks the row first, so that the members do not change in the meantime. */
function* unverified(id: string): Steps<ContainerWithMembers | undefined> {
  const row = yield* one<Tagged<ContainerRow>>(
    `SELECT ${columns} FROM containers WHERE id = ? /*pg FOR UPDATE */`,
    id,
  );
  if (!row) return undefined;
  const members = yield* membersOf(id);
  return { row, members, parts: partsOf(members) };
}

function* membersOf(containerId: string): Steps<readonly MemberRow[]> {
  return yield* all<MemberRow>(
    `SELECT position, secret_id, name FROM container_secrets
     WHERE container_id = ? ORDER BY position`,
    containerId,
  );
}
