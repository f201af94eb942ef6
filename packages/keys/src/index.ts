export {
  BarbicanKeyManager,
  type BarbicanOptions,
} from "./barbican/index.ts";
export { FixedKeyManager, type FixedOptions } from "./fixed/key-manager.ts";
export { migratingKeyManager } from "./fixed/migrating.ts";
export type { TlsOptions } from "./http/send.ts";
export * from "./interface.ts";
export type { EndpointInterface } from "./keystone/catalog.ts";
export type { CloudSettings } from "./keystone/cloud-settings.ts";
export { type CloudLocation, cloudFromFiles } from "./keystone/clouds.ts";
export {
  type Environment,
  type EnvironmentOptions,
  settingsFromEnvironment,
} from "./keystone/environment.ts";
export { MemoryKeyManager, type MemoryOptions } from "./memory/key-manager.ts";
export {
  type BackendName,
  backendNames,
  type KeyManagerConfig,
  openKeyManager,
} from "./open-key-manager.ts";
