import { arrayField, numberField, textField } from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import type { ObjectId } from "../../model/managed-object.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";
import type { Page, PageRequest } from "./page.ts";
import { referenceField } from "./references.ts";

/** A public key that a store's clients may wrap payloads with. */
export interface TransportKeyDocument {
  readonly id: ObjectId;
  readonly pluginName: string;
  /** PEM. */
  readonly transportKey: string;
}

/** Only the Dogtag store has transport keys; others list none. */
export class TransportKeys {
  readonly #connection: BarbicanConnection;

  constructor(connection: BarbicanConnection) {
    this.#connection = connection;
  }

  /** One page of them. */
  async list(
    caller: Caller,
    filter: { readonly pluginName?: string | undefined } = {},
    page: PageRequest = {},
    options: BarbicanCallOptions = {},
  ): Promise<Page<ObjectId>> {
    const what = "GET transport_keys";
    const document = await this.#connection.document(caller, {
      method: "GET",
      path: ["transport_keys"],
      query: { plugin_name: filter.pluginName, limit: page.limit ?? 100, offset: page.offset ?? 0 },
      expect: [200],
      signal: options.signal,
    });
    const references = arrayField(what, document, "transport_keys");
    return {
      items: references.map((reference) => referenceField(what, { reference }, "reference")),
      total: numberField(what, document, "total"),
    };
  }

  /** @throws `not_found` */
  async get(
    caller: Caller,
    id: ObjectId,
    options: BarbicanCallOptions = {},
  ): Promise<TransportKeyDocument> {
    const what = `GET transport_keys/${id}`;
    const document = await this.#connection.document(caller, {
      method: "GET",
      path: ["transport_keys", id],
      // Barbican answers this one with JSON, but rejects a request that accepts JSON: status 406.
      accept: "*/*",
      expect: [200],
      signal: options.signal,
    });
    return {
      id,
      pluginName: textField(what, document, "plugin_name"),
      transportKey: textField(what, document, "transport_key"),
    };
  }

  /** For administrators. */
  async create(
    caller: Caller,
    key: { readonly pluginName: string; readonly transportKey: string },
    options: BarbicanCallOptions = {},
  ): Promise<ObjectId> {
    const document = await this.#connection.document(caller, {
      method: "POST",
      path: ["transport_keys"],
      json: { plugin_name: key.pluginName, transport_key: key.transportKey },
      expect: [201],
      signal: options.signal,
    });
    return referenceField("POST transport_keys", document, "transport_key_ref");
  }

  /** @throws `not_found` */
  async delete(caller: Caller, id: ObjectId, options: BarbicanCallOptions = {}): Promise<void> {
    await this.#connection.call(caller, {
      method: "DELETE",
      path: ["transport_keys", id],
      accept: "*/*",
      expect: [204],
      signal: options.signal,
    });
  }
}
