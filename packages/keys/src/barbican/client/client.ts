import type { Consumer } from "../../model/managed-object.ts";
import { Acls } from "./acls.ts";
import { BarbicanConnection } from "./connection.ts";
import {
  Consumers,
  type ContainerConsumer,
  containerConsumerForm,
  secretConsumerForm,
} from "./consumers.ts";
import { Containers } from "./containers.ts";
import type { BarbicanOptions } from "./options.ts";
import { Orders } from "./orders.ts";
import { QuotaCalls } from "./quotas.ts";
import { SecretMetadata } from "./secret-metadata.ts";
import { SecretStores } from "./secret-stores.ts";
import { Secrets } from "./secrets.ts";
import { TransportKeys } from "./transport-keys.ts";

/**
 * Barbican's REST API, call by call; https://docs.openstack.org/barbican/latest/api/.
 *
 * The caller is the first argument of each call. What a key manager promises
 * beyond single calls is in `BarbicanKeyManager`.
 */
export class BarbicanClient {
  readonly connection: BarbicanConnection;
  readonly secrets: Secrets;
  readonly secretMetadata: SecretMetadata;
  readonly secretConsumers: Consumers<Consumer>;
  readonly secretAcls: Acls;
  readonly containers: Containers;
  readonly containerConsumers: Consumers<ContainerConsumer>;
  readonly containerAcls: Acls;
  readonly orders: Orders;
  readonly quotas: QuotaCalls;
  readonly secretStores: SecretStores;
  readonly transportKeys: TransportKeys;

  /** @throws `invalid_argument` */
  constructor(options: BarbicanOptions = {}) {
    const connection = new BarbicanConnection(options);
    this.connection = connection;
    this.secrets = new Secrets(connection);
    this.secretMetadata = new SecretMetadata(connection);
    this.secretConsumers = new Consumers(connection, secretConsumerForm);
    this.secretAcls = new Acls(connection, "secrets");
    this.containers = new Containers(connection);
    this.containerConsumers = new Consumers(connection, containerConsumerForm);
    this.containerAcls = new Acls(connection, "containers");
    this.orders = new Orders(connection);
    this.quotas = new QuotaCalls(connection);
    this.secretStores = new SecretStores(connection);
    this.transportKeys = new TransportKeys(connection);
  }
}
