import { objectId } from "@chatelaine/keys";
import { VolumeError } from "../errors.ts";
import type { OperationRecord, VolumeRecord } from "./ledger.ts";

/** A row as the drivers give it; the columns have the same names in every schema. */
export type Row = Readonly<Record<string, string | number | null>>;

/** A row of `volumes`. */
export function volumeOf(row: Row, host: string): VolumeRecord {
  return {
    id: String(row["id"]),
    kind: row["kind"] as VolumeRecord["kind"],
    project: String(row["project"]),
    host,
    location: String(row["location"]),
    format: row["format"] as VolumeRecord["format"],
    cipher: String(row["cipher"]),
    keyId: row["key_id"] === null ? undefined : objectId(String(row["key_id"])),
    state: row["state"] as VolumeRecord["state"],
    parentId: optionalText(row["parent_id"]),
    headerBackup: optionalText(row["header_backup"]),
    attributes: JSON.parse(String(row["attributes"])) as Record<string, string>,
    created: new Date(Number(row["created"])),
    updated: new Date(Number(row["updated"])),
  };
}

/** A row of `operations`. */
export function operationOf(row: Row, host: string): OperationRecord {
  return {
    id: String(row["id"]),
    kind: String(row["kind"]),
    volumeId: String(row["volume_id"]),
    project: String(row["project"]),
    host,
    phase: row["phase"] as OperationRecord["phase"],
    step: Number(row["step"]),
    input: JSON.parse(String(row["input"])) as object,
    facts: JSON.parse(String(row["facts"])) as object,
    problem: optionalText(row["problem"]),
    created: new Date(Number(row["created"])),
    updated: new Date(Number(row["updated"])),
  };
}

/** Columns of `volumes` in every schema; one that many hosts share has `host` besides. */
export const volumeColumns = [
  "id",
  "kind",
  "project",
  "location",
  "format",
  "cipher",
  "key_id",
  "state",
  "parent_id",
  "header_backup",
  "attributes",
  "created",
  "updated",
] as const;

/** In the order of `volumeColumns`. */
export function volumeValues(volume: VolumeRecord, now: Date): (string | number | null)[] {
  return [
    volume.id,
    volume.kind,
    volume.project,
    volume.location,
    volume.format,
    volume.cipher,
    volume.keyId ?? null,
    volume.state,
    volume.parentId ?? null,
    volume.headerBackup ?? null,
    JSON.stringify(volume.attributes),
    volume.created.getTime(),
    now.getTime(),
  ];
}

/** Columns of `operations`, as `volumeColumns`. */
export const operationColumns = [
  "id",
  "kind",
  "volume_id",
  "project",
  "phase",
  "step",
  "input",
  "facts",
  "problem",
  "created",
  "updated",
] as const;

/** In the order of `operationColumns`. */
export function operationValues(operation: OperationRecord, now: Date): (string | number | null)[] {
  return [
    operation.id,
    operation.kind,
    operation.volumeId,
    operation.project,
    operation.phase,
    operation.step,
    JSON.stringify(operation.input),
    JSON.stringify(operation.facts),
    // A tool's last words may hold what PostgreSQL's text cannot.
    operation.problem?.replaceAll("\0", "") ?? null,
    operation.created.getTime(),
    now.getTime(),
  ];
}

/** What of an operation changes as it goes on. */
const progressColumns = ["phase", "step", "facts", "problem", "updated"];

/**
 * SQL that inserts a row, or gives the row of that id these values.
 *
 * @param placeholder of the value at an index, from 0, such as `?`
 */
export function upsert(
  table: "volumes" | "operations",
  columns: readonly string[],
  placeholder: (index: number) => string,
): string {
  const changing =
    table === "operations" ? progressColumns : columns.filter((name) => name !== "id");
  const sets = changing.map((name) => `${name} = excluded.${name}`).join(", ");
  const values = columns.map((_, index) => placeholder(index)).join(", ");
  return `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${values}) ON CONFLICT (id) DO UPDATE SET ${sets}`;
}

/** Two volumes cannot be in one place. */
export function placeIsTaken(location: string, by: { id: unknown; state: unknown }): VolumeError {
  return new VolumeError(
    "exists",
    `record ${location}: the ledger has volume ${String(by.id)} (${String(by.state)}) there`,
  );
}

function optionalText(value: Row[string] | undefined): string | undefined {
  return value === null || value === undefined ? undefined : String(value);
}
