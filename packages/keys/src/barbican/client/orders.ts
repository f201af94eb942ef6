import { type Document, objectField, optionalText, textField } from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import type { ObjectId } from "../../model/managed-object.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";
import { fetchPage, type Page, type PageRequest } from "./page.ts";
import { referenceField } from "./references.ts";

/** What to generate. */
export interface OrderMeta {
  readonly name?: string | undefined;
  readonly algorithm: string;
  readonly bitLength: number;
  readonly mode?: string | undefined;
  readonly expiration?: Date | undefined;
}

/** An order as Barbican describes it. */
export interface OrderDocument {
  readonly id: ObjectId;
  readonly type: string;
  /** `PENDING`, `ACTIVE` or `ERROR`. */
  readonly status: string;
  /** The name that was asked for. */
  readonly name: string | undefined;
  readonly created: string;
  readonly creatorId: string | undefined;
  /** Of a key order that is done. */
  readonly secretId: ObjectId | undefined;
  /** Of an asymmetric order that is done. */
  readonly containerId: ObjectId | undefined;
  readonly errorStatusCode: string | undefined;
  readonly errorReason: string | undefined;
}

/** https://docs.openstack.org/barbican/latest/api/reference/orders.html */
export class Orders {
  readonly #connection: BarbicanConnection;

  constructor(connection: BarbicanConnection) {
    this.#connection = connection;
  }

  /** Resolves to the order's id; what it makes comes later. */
  async create(
    caller: Caller,
    type: "key" | "asymmetric",
    meta: OrderMeta,
    options: BarbicanCallOptions = {},
  ): Promise<ObjectId> {
    const document = await this.#connection.document(caller, {
      method: "POST",
      path: ["orders"],
      json: {
        type,
        meta: {
          name: meta.name,
          algorithm: meta.algorithm,
          bit_length: meta.bitLength,
          mode: meta.mode,
          expiration: meta.expiration?.toISOString(),
          payload_content_type: "application/octet-stream",
        },
      },
      expect: [202],
      signal: options.signal,
    });
    return referenceField("POST orders", document, "order_ref");
  }

  /** @throws `not_found` */
  async get(
    caller: Caller,
    id: ObjectId,
    options: BarbicanCallOptions = {},
  ): Promise<OrderDocument> {
    const document = await this.#connection.document(caller, {
      method: "GET",
      path: ["orders", id],
      expect: [200],
      signal: options.signal,
    });
    return readOrder(`GET orders/${id}`, document);
  }

  /**
   * One page of the project's orders, oldest first.
   *
   * @param filter.meta a whole text value that the order's meta has, such as its name
   */
  list(
    caller: Caller,
    filter: { readonly meta?: string | undefined } = {},
    page: PageRequest = {},
    options: BarbicanCallOptions = {},
  ): Promise<Page<OrderDocument>> {
    return fetchPage(
      this.#connection,
      caller,
      { path: ["orders"], plural: "orders", query: { ...filter }, page, read: readOrder },
      options,
    );
  }

  /** Leaves what the order made. */
  async delete(caller: Caller, id: ObjectId, options: BarbicanCallOptions = {}): Promise<void> {
    await this.#connection.call(caller, {
      method: "DELETE",
      path: ["orders", id],
      expect: [204],
      signal: options.signal,
    });
  }
}

function readOrder(what: string, document: Document): OrderDocument {
  const reference = (field: string) =>
    document[field] === undefined || document[field] === null
      ? undefined
      : referenceField(what, document, field);
  return {
    id: referenceField(what, document, "order_ref"),
    type: textField(what, document, "type"),
    status: textField(what, document, "status"),
    name: optionalText(what, objectField(what, document, "meta"), "name"),
    created: textField(what, document, "created"),
    creatorId: optionalText(what, document, "creator_id"),
    secretId: reference("secret_ref"),
    containerId: reference("container_ref"),
    errorStatusCode: optionalText(what, document, "error_status_code"),
    errorReason: optionalText(what, document, "error_reason"),
  };
}
