export { BarbicanClient } from "./client/client.ts";
export type { BarbicanCallOptions, BarbicanConnection } from "./client/connection.ts";
export type { ContainerConsumer } from "./client/consumers.ts";
export type {
  ContainerDocument,
  ContainerMember,
  ContainerType,
  NewContainer,
} from "./client/containers.ts";
export type { OrderDocument, OrderMeta } from "./client/orders.ts";
export type { Page, PageRequest } from "./client/page.ts";
export type { ProjectQuotas, Quotas } from "./client/quotas.ts";
export type { UserMetadata } from "./client/secret-metadata.ts";
export type { SecretStoreDocument } from "./client/secret-stores.ts";
export type { NewSecret, SecretDocument, SecretFilter } from "./client/secrets.ts";
export type { TransportKeyDocument } from "./client/transport-keys.ts";
export { BarbicanKeyManager } from "./key-manager.ts";
export type { BarbicanOptions, Microversion } from "./options.ts";
