export { type MigrationOptions, type MigrationSide, migrateKeys } from "./migrate.ts";
export type {
  MigratedItem,
  MigrationOutcome,
  MigrationProgress,
  MigrationReport,
} from "./report.ts";
