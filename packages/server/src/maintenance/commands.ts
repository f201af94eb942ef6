import { chmodSync, existsSync } from "node:fs";
import type { PublicUrl } from "../config/public-url.ts";
import type { RootKeyFile } from "../crypto/root-key/slots.ts";
import type { Administration } from "../identity/builtin/administration.ts";
import { type AuditEntry, auditLine } from "../model/audit-entry.ts";
import { ServerError } from "../model/server-error.ts";
import type { TaggingReport } from "../row-tagging/tag-existing-rows.ts";
import type { ServiceContext } from "../services/context.ts";
import { eraseProject } from "../store/operations/projects.ts";
import { restoreSecret } from "../store/operations/retention.ts";
import { auditCommands } from "./audit-commands.ts";
import { type Commands } from "./control.ts";
import { rotateProjectKeys } from "./rotate-project-keys.ts";
import { rotateRootKey } from "./rotate-root-key.ts";

export interface CommandParts {
  readonly context: ServiceContext;
  /** Absent if the root key does not come from a file. */
  readonly rootKeyFile?: RootKeyFile | undefined;
  /** True while requests are served, perhaps by other processes too. */
  readonly running: boolean;
  readonly administration?: Administration;
  /** True if requests named another client, and no proxy is trusted. Default: it is not known. */
  readonly seesIgnoredProxy?: () => boolean;
  /** The base URL for clients of the running server. Default: unknown. */
  readonly publicUrl?: () => PublicUrl;
  /** What opening the database tagged. Default: nothing, as in a server that runs. */
  readonly tagging?: TaggingReport;
}

/** What an administrator of the host may have done, beside or inside the running server. Each leaves an audit entry. */
export function serverCommands(parts: CommandParts): Commands {
  const { context, administration } = parts;
  const { store, keys } = context;
  const entry = (action: string, objectId?: string): AuditEntry => ({
    at: context.clock.timestamp(),
    requestId: "command",
    userId: "administrator",
    projectId: "-",
    action: `command:${action}`,
    ...(objectId !== undefined && { objectId }),
    outcome: "ok",
  });
  const record = (action: string) => store.record(auditLine(entry(action)));
  return {
    backup: async (path = "") => {
      if (!store.backup)
        throw new ServerError(
          "unsupported",
          "backup: use PostgreSQL's own tools (pg_dump) for this database",
        );
      if (path === "" || existsSync(path))
        throw new ServerError("conflict", `backup ${path}: it exists`);
      await store.backup(path);
      chmodSync(path, 0o600);
      await record("backup");
      return { path };
    },
    "rotate root-key": async () => {
      if (parts.rootKeyFile === undefined)
        throw new ServerError(
          "unsupported",
          "rotate root-key: the root key does not come from a file",
        );
      if (parts.running && store.dialect === "postgres")
        throw new ServerError(
          "conflict",
          "rotate root-key: stop every server of this database, run it again, and copy the new root key file to all of them",
        );
      const done = await rotateRootKey(context, parts.rootKeyFile);
      await record("rotate root-key");
      return done;
    },
    "rotate project-keys": async () => {
      const done = await rotateProjectKeys(context);
      await record("rotate project-keys");
      return done;
    },
    "tag-rows": async () => {
      const { tagged, damaged } = parts.tagging ?? { tagged: 0, damaged: [] };
      if (tagged > 0) await record("tag-rows");
      return { tagged, damaged };
    },
    "restore-secret": async (id = "") => {
      const restoring = { id, defaultQuotas: context.defaultQuotas, now: entry("").at };
      const result = await store.write(restoreSecret, restoring, entry("restore-secret", id));
      if ("refused" in result)
        throw new ServerError(
          result.refused === "quota" ? "conflict" : "not_found",
          result.refused === "quota"
            ? `restore-secret ${id}: the quota of ${result.kind} of project ${result.projectId} is reached; raise it, or let the project delete others`
            : `restore-secret ${id}: no deleted secret has this id`,
        );
      return { id };
    },
    "erase-project": async (projectId = "") => {
      const audit = entry("erase-project", projectId);
      const erased = await store.write(eraseProject, { projectId }, audit);
      keys.forget(projectId);
      if (Object.values(erased).every((count) => count === 0))
        throw new ServerError("not_found", `erase-project ${projectId}: this project has no data`);
      const { secrets, containers, orders } = erased;
      return { projectId, secrets, containers, orders };
    },
    ...auditCommands(context, entry),
    // Asked by `server doctor`; they change nothing, and leave no entry.
    "sees ignored proxy": async () => parts.seesIgnoredProxy?.() ?? false,
    "public url": async () => parts.publicUrl?.() ?? null,
    ...(administration && identityCommands(administration, record)),
  };
}

function identityCommands(
  administration: Administration,
  record: (action: string) => Promise<void>,
): Commands {
  const recorded =
    (action: string, run: (...args: readonly string[]) => Promise<unknown>) =>
    async (...args: readonly string[]) => {
      const result = await run(...args);
      await record(action);
      return result;
    };
  return {
    "user create": recorded("user create", (name = "", password = "") =>
      administration.createUser({ name, password }),
    ),
    "user list": () => administration.listUsers(),
    "user set-password": recorded("user set-password", (name = "", password = "") =>
      administration.setPassword(name, password),
    ),
    "user delete": recorded("user delete", (name = "") => administration.deleteUser(name)),
    "project create": recorded("project create", (name = "") =>
      administration.createProject({ name }),
    ),
    "project delete": recorded("project delete", async (name = "") =>
      administration.deleteProject(name),
    ),
    "project list": () => administration.listProjects(),
    "role grant": recorded("role grant", (user = "", project = "", role = "") =>
      administration.grantRole(user, project, role),
    ),
    "role revoke": recorded("role revoke", (user = "", project = "", role = "") =>
      administration.revokeRole(user, project, role),
    ),
    "role list": () => administration.listRoles({}),
  };
}
