import { type Document, objectField, textField } from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import type { ObjectId } from "../../model/managed-object.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";

/** Keys: letters, digits, `-` and `_`, kept in lower case. Values: at most 255 characters. Neither is encrypted. */
export type UserMetadata = Readonly<Record<string, string>>;

/** https://docs.openstack.org/barbican/latest/api/reference/secret_metadata.html */
export class SecretMetadata {
  readonly #connection: BarbicanConnection;

  constructor(connection: BarbicanConnection) {
    this.#connection = connection;
  }

  /** All pairs of a secret. */
  async all(
    caller: Caller,
    id: ObjectId,
    options: BarbicanCallOptions = {},
  ): Promise<UserMetadata> {
    const what = `GET secrets/${id}/metadata`;
    const document = await this.#connection.document(caller, {
      method: "GET",
      path: ["secrets", id, "metadata"],
      expect: [200],
      signal: options.signal,
    });
    const metadata = objectField(what, document, "metadata");
    return Object.fromEntries(
      Object.keys(metadata).map((key) => [key, textField(what, metadata, key)]),
    );
  }

  /** Replaces the whole of it. */
  async replace(
    caller: Caller,
    id: ObjectId,
    metadata: UserMetadata,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#connection.call(caller, {
      method: "PUT",
      path: ["secrets", id, "metadata"],
      json: { metadata },
      expect: [201],
      signal: options.signal,
    });
  }

  /** One pair. @throws `not_found` */
  async get(
    caller: Caller,
    id: ObjectId,
    key: string,
    options: BarbicanCallOptions = {},
  ): Promise<string> {
    const document = await this.#datum(caller, "GET", id, key, undefined, options);
    return textField(`GET secrets/${id}/metadata/${key}`, document, "value");
  }

  /** @throws `conflict` if the key exists. */
  async add(
    caller: Caller,
    id: ObjectId,
    key: string,
    value: string,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#connection.call(caller, {
      method: "POST",
      path: ["secrets", id, "metadata"],
      json: { key, value },
      expect: [201],
      signal: options.signal,
    });
  }

  /** @throws `not_found` if the key does not exist. */
  async set(
    caller: Caller,
    id: ObjectId,
    key: string,
    value: string,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#datum(caller, "PUT", id, key, { key, value }, options);
  }

  /** Removes one pair. @throws `not_found` */
  async remove(
    caller: Caller,
    id: ObjectId,
    key: string,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#connection.call(caller, {
      method: "DELETE",
      path: ["secrets", id, "metadata", key],
      expect: [204],
      signal: options.signal,
    });
  }

  #datum(
    caller: Caller,
    method: "GET" | "PUT",
    id: ObjectId,
    key: string,
    json: object | undefined,
    options: BarbicanCallOptions,
  ): Promise<Document> {
    const path = ["secrets", id, "metadata", key];
    return this.#connection.document(caller, {
      method,
      path,
      json,
      expect: [200],
      signal: options.signal,
    });
  }
}
