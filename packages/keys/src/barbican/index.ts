export type { HttpResponse } from "../http/send.ts";
export type { Catalog, CatalogEndpoint } from "../keystone/catalog.ts";
export type { IdentityToken } from "../keystone/identity-token.ts";
export type { Acls } from "./client/acls.ts";
export { BarbicanClient } from "./client/client.ts";
export type { BarbicanCall, BarbicanCallOptions, BarbicanConnection } from "./client/connection.ts";
export type { Consumers, ContainerConsumer } from "./client/consumers.ts";
export type {
  ContainerDocument,
  ContainerMember,
  Containers,
  ContainerType,
  NewContainer,
} from "./client/containers.ts";
export type { BarbicanOptions, Microversion } from "./client/options.ts";
export type { OrderDocument, OrderMeta, Orders } from "./client/orders.ts";
export type { Page, PageRequest } from "./client/page.ts";
export type { ProjectQuotas, QuotaCalls, Quotas } from "./client/quotas.ts";
export type { SecretMetadata, UserMetadata } from "./client/secret-metadata.ts";
export type { SecretStoreDocument, SecretStores } from "./client/secret-stores.ts";
export type { NewSecret, SecretDocument, SecretFilter, Secrets } from "./client/secrets.ts";
export type { TransportKeyDocument, TransportKeys } from "./client/transport-keys.ts";
export { BarbicanKeyManager } from "./key-manager.ts";
