import { objectId } from "@chatelaine/keys";
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

function optionalText(value: Row[string] | undefined): string | undefined {
  return value === null || value === undefined ? undefined : String(value);
}
