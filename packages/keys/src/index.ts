export {
  BarbicanKeyManager,
  type BarbicanOptions,
} from "./barbican/index.ts";
export { FixedKeyManager, type FixedOptions, fixedKeyId } from "./fixed/key-manager.ts";
export { migratingKeyManager } from "./fixed/migrating.ts";
export type { TlsOptions } from "./http/send.ts";
export type { EndpointInterface } from "./keystone/catalog.ts";
export type { CloudSettings } from "./keystone/cloud-settings.ts";
export { type CloudLocation, cloudFromFiles } from "./keystone/clouds.ts";
export {
  type Environment,
  type EnvironmentOptions,
  settingsFromEnvironment,
} from "./keystone/environment.ts";
export { MemoryKeyManager, type MemoryOptions } from "./memory/key-manager.ts";
export { checkAttributes, checkConsumer, checkKeySpec } from "./model/attributes.ts";
export {
  type Caller,
  type DomainReference,
  type KeystoneCaller,
  type KeystoneOptions,
  keystoneCaller,
  type ProjectCaller,
  type Scope,
  type UserReference,
} from "./model/caller.ts";
export { KeyManagerError, type KeyManagerErrorCode } from "./model/errors.ts";
export {
  type AccessGrants,
  type CallOptions,
  type ConsumerTracking,
  type DeleteOptions,
  grantsAccess,
  type KeyManager,
  type KeyPairIds,
  type KeyPairSpec,
  type ListFilter,
  type ReadAccess,
  type SymmetricKeySpec,
  tracksConsumers,
} from "./model/key-manager.ts";
export { checkedBitLength } from "./model/key-material.ts";
export {
  type Certificate,
  type Consumer,
  type ManagedObject,
  type ObjectAttributes,
  type ObjectId,
  type ObjectInfo,
  type ObjectType,
  type OpaqueData,
  objectId,
  objectTypes,
  type Passphrase,
  type PrivateKey,
  type PublicKey,
  type StorageRecord,
  type StoredObject,
  type SymmetricKey,
} from "./model/managed-object.ts";
export { refuseUnknownOptions, suggestion } from "./model/options.ts";
export { SecretBytes } from "./model/secret-bytes.ts";
export { isOtherThanSqlite } from "./model/sqlite-file.ts";
export {
  type BackendName,
  backendNames,
  type KeyManagerConfig,
  openKeyManager,
} from "./open-key-manager.ts";
