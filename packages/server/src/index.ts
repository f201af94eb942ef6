export type { AuditProgress, OnAuditProgress } from "./audit/audit-progress.ts";
export type { SegmentInfo, SegmentState } from "./audit/list-segments.ts";
export type { ChainHead, MissingHead } from "./audit/noted-heads.ts";
export type { BrokenArchive } from "./audit/verify-archives.ts";
export { type ConfigSources, loadServerConfig, type ServerConfig } from "./config/config.ts";
export type { HttpUrl } from "./config/http-url.ts";
export type { PublicUrl } from "./config/public-url.ts";
export {
  flagOf,
  type Setting,
  type SettingName,
  settingNames,
  settings,
  type TextFormat,
  variableOf,
} from "./config/settings.ts";
export { RootKeyError, type RootKeyErrorReason } from "./crypto/root-key/root-key-error.ts";
export { firstNames } from "./identity/builtin/first-start.ts";
export { type OnCommandProgress } from "./maintenance/control.ts";
export { diagnoseServer } from "./maintenance/diagnose.ts";
export type { CopyProgress } from "./maintenance/migrate-store/copy-progress.ts";
export {
  type MigrationReport,
  migrateConfiguredStore,
} from "./maintenance/migrate-store/migrate-store.ts";
export { restoreBackup } from "./maintenance/restore-backup.ts";
export { runServerCommand } from "./maintenance/run-command.ts";
export type { AuditReport, EntryRange } from "./maintenance/verify-audit.ts";
export { verifyAuditFiles } from "./maintenance/verify-audit-files.ts";
export type { AuditEntry } from "./model/audit-entry.ts";
export type { Clock } from "./model/clock.ts";
export { ServerError, type ServerErrorCode } from "./model/server-error.ts";
export type { Logger } from "./observe/log.ts";
export { type RunningServer, type StartOptions, startServer } from "./startup/start-server.ts";
