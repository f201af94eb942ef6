import { objectId } from "@chatelaine/keys/interface";
import { VolumeError } from "../model/errors.ts";
import type { VolumeLayout } from "../model/layout.ts";
import type { OperationRecord, VolumeRecord } from "../model/ledger.ts";

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
    layout: layoutIn(row["layout"]),
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

/** Undoes `volumeOf`. A schema that many hosts share has a column `host` besides. */
export function volumeRow(volume: VolumeRecord, now: Date): Row {
  return {
    id: volume.id,
    kind: volume.kind,
    project: volume.project,
    location: volume.location,
    format: volume.format,
    cipher: volume.cipher,
    key_id: volume.keyId ?? null,
    state: volume.state,
    parent_id: volume.parentId ?? null,
    header_backup: volume.headerBackup ?? null,
    layout: volume.layout === undefined ? null : JSON.stringify(volume.layout),
    attributes: JSON.stringify(volume.attributes),
    created: volume.created.getTime(),
    updated: now.getTime(),
  };
}

/** Undoes `operationOf`, as `volumeRow` does. */
export function operationRow(operation: OperationRecord, now: Date): Row {
  return {
    id: operation.id,
    kind: operation.kind,
    volume_id: operation.volumeId,
    project: operation.project,
    phase: operation.phase,
    step: operation.step,
    input: JSON.stringify(operation.input),
    facts: JSON.stringify(operation.facts),
    // A tool's last words may hold what PostgreSQL's text cannot.
    problem: operation.problem?.replaceAll("\0", "") ?? null,
    created: operation.created.getTime(),
    updated: now.getTime(),
  };
}

/** What of a row changes: a volume may become another; an operation keeps what was asked for. */
const changing = {
  volumes: undefined,
  operations: ["phase", "step", "facts", "problem", "updated"],
} as const;

/**
 * SQL that inserts a row, or gives its values to the row that has its id: those that change.
 *
 * @param placeholder of the value at an index, from 0, such as `?`
 */
export function upsert(
  table: keyof typeof changing,
  row: Row,
  placeholder: (index: number) => string,
): { readonly text: string; readonly values: (string | number | null)[] } {
  const columns = Object.keys(row);
  const sets = (changing[table] ?? columns).map((name) => `${name} = excluded.${name}`).join(", ");
  const places = columns.map((_, index) => placeholder(index)).join(", ");
  const text = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${places}) ON CONFLICT (id) DO UPDATE SET ${sets}`;
  return { text, values: Object.values(row) };
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

function layoutIn(value: Row[string] | undefined): VolumeLayout | undefined {
  const text = optionalText(value);
  return text === undefined ? undefined : (JSON.parse(text) as VolumeLayout);
}
