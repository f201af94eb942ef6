import { type Document, textField } from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import type { Consumer, ObjectId } from "../../model/managed-object.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";
import { fetchPage, type Page, type PageRequest } from "./page.ts";

/** Who needs a container. On the wire `name` and `URL`. */
export interface ContainerConsumer {
  /** 1–36 characters. */
  readonly name: string;
  /** 1–255 characters. */
  readonly url: string;
}

/** How consumers of one kind of resource are written. */
export interface ConsumerForm<C> {
  readonly resource: "secrets" | "containers";
  readonly write: (consumer: C) => object;
  readonly read: (what: string, document: Document) => C;
}

export const secretConsumerForm: ConsumerForm<Consumer> = {
  resource: "secrets",
  write: ({ service, resourceType, resourceId }) => ({
    service,
    resource_type: resourceType,
    resource_id: resourceId,
  }),
  read: readSecretConsumer,
};

export const containerConsumerForm: ConsumerForm<ContainerConsumer> = {
  resource: "containers",
  write: ({ name, url }) => ({ name, URL: url }),
  read: readContainerConsumer,
};

/**
 * https://docs.openstack.org/barbican/latest/api/reference/secret_consumers.html
 * https://docs.openstack.org/barbican/latest/api/reference/consumers.html
 */
export class Consumers<C> {
  readonly #connection: BarbicanConnection;
  readonly #form: ConsumerForm<C>;

  /** @internal */
  constructor(connection: BarbicanConnection, form: ConsumerForm<C>) {
    this.#connection = connection;
    this.#form = form;
  }

  /** Registers a consumer; a second time changes nothing. */
  async add(
    caller: Caller,
    id: ObjectId,
    consumer: C,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    // The same consumer twice is one consumer, so this POST may be repeated.
    await this.#change(caller, "POST", id, consumer, { ...options, repeatable: true });
  }

  /** @throws `not_found` if it is not registered. */
  async remove(
    caller: Caller,
    id: ObjectId,
    consumer: C,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#change(caller, "DELETE", id, consumer, options);
  }

  /** One page of them. */
  list(
    caller: Caller,
    id: ObjectId,
    page: PageRequest = {},
    options: BarbicanCallOptions = {},
  ): Promise<Page<C>> {
    const path = [this.#form.resource, id, "consumers"];
    return fetchPage(
      this.#connection,
      caller,
      { path, plural: "consumers", page, read: this.#form.read },
      options,
    );
  }

  async #change(
    caller: Caller,
    method: "POST" | "DELETE",
    id: ObjectId,
    consumer: C,
    options: BarbicanCallOptions & { readonly repeatable?: boolean },
  ): Promise<void> {
    await this.#connection.call(caller, {
      method,
      path: [this.#form.resource, id, "consumers"],
      json: this.#form.write(consumer),
      expect: [200],
      ...options,
    });
  }
}

export function readSecretConsumer(what: string, document: Document): Consumer {
  return {
    service: textField(what, document, "service"),
    resourceType: textField(what, document, "resource_type"),
    resourceId: textField(what, document, "resource_id"),
  };
}

export function readContainerConsumer(what: string, document: Document): ContainerConsumer {
  return { name: textField(what, document, "name"), url: textField(what, document, "URL") };
}
