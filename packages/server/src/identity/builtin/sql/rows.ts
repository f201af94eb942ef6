import { formatTimestamp } from "../../../model/clock.ts";
import type { AccessRule } from "../../access-rules.ts";
import type {
  ApplicationCredentialRecord,
  Assignment,
  ProjectRecord,
  TokenRecord,
  UserRecord,
} from "../records.ts";

export interface UserRow {
  readonly id: string;
  readonly name: string;
  readonly password_hash: string;
  readonly enabled: number;
  readonly created: string;
}

export interface ProjectRow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: number;
  readonly created: string;
}

export interface AssignmentRow {
  readonly user_id: string;
  readonly project_id: string;
  readonly role: string;
}

export interface ApplicationCredentialRow {
  readonly id: string;
  readonly user_id: string;
  readonly project_id: string;
  readonly name: string;
  readonly description: string;
  readonly secret_hash: string;
  readonly roles: string;
  readonly unrestricted: number;
  readonly access_rules: string | null;
  readonly expires: string | null;
  readonly created: string;
}

export interface TokenRow {
  readonly hash: string;
  readonly user_id: string;
  readonly project_id: string | null;
  readonly application_credential_id: string | null;
  readonly methods: string;
  readonly audit_ids: string;
  readonly issued: string;
  readonly expires: string;
}

export function toText(milliseconds: number): string {
  return formatTimestamp(milliseconds * 1000);
}

export function userOf(row: UserRow): UserRecord {
  return {
    id: row.id,
    name: row.name,
    passwordHash: row.password_hash,
    enabled: row.enabled !== 0,
    createdAtMs: toMilliseconds(row.created),
  };
}

export function projectOf(row: ProjectRow): ProjectRecord {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    enabled: row.enabled !== 0,
    createdAtMs: toMilliseconds(row.created),
  };
}

export function assignmentOf(row: AssignmentRow): Assignment {
  return { userId: row.user_id, projectId: row.project_id, role: row.role };
}

export function applicationCredentialOf(
  row: ApplicationCredentialRow,
): ApplicationCredentialRecord {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    userId: row.user_id,
    projectId: row.project_id,
    secretHash: row.secret_hash,
    roles: JSON.parse(row.roles) as string[],
    unrestricted: row.unrestricted !== 0,
    accessRules:
      row.access_rules === null ? undefined : (JSON.parse(row.access_rules) as AccessRule[]),
    expiresAtMs: row.expires === null ? undefined : toMilliseconds(row.expires),
    createdAtMs: toMilliseconds(row.created),
  };
}

export function tokenOf(row: TokenRow): TokenRecord {
  return {
    hash: row.hash,
    userId: row.user_id,
    projectId: row.project_id ?? undefined,
    methods: JSON.parse(row.methods) as string[],
    auditIds: JSON.parse(row.audit_ids) as string[],
    applicationCredentialId: row.application_credential_id ?? undefined,
    issuedAtMs: toMilliseconds(row.issued),
    expiresAtMs: toMilliseconds(row.expires),
  };
}

function toMilliseconds(text: string): number {
  return Date.parse(`${text.slice(0, 23)}Z`);
}
