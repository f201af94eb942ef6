/**
 * The key manager interface and its vocabulary, without any backend: for programs that use a key manager which somebody
 * else has opened, and for those who write a backend.
 *
 * @module
 */
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
  fixedKeyId,
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
export { nearestTo, refuseUnknownOptions, suggestion } from "./model/options.ts";
export { SecretBytes } from "./model/secret-bytes.ts";
export { isOtherThanSqlite } from "./model/sqlite-file.ts";
