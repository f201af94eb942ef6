import {
  arrayField,
  asObject,
  type Document,
  optionalText,
  textField,
} from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import { KeyManagerError } from "../../model/errors.ts";
import type { ObjectId } from "../../model/managed-object.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";
import { referenceField } from "./references.ts";

/** A place where Barbican can keep secrets. */
export interface SecretStoreDocument {
  readonly id: ObjectId;
  readonly name: string;
  readonly status: string;
  readonly secretStorePlugin: string;
  readonly cryptoPlugin: string | undefined;
  readonly globalDefault: boolean;
}

/**
 * Every call is `unsupported` where the server has only one store.
 *
 * https://docs.openstack.org/barbican/latest/api/reference/store_backends.html
 */
export class SecretStores {
  readonly #connection: BarbicanConnection;

  constructor(connection: BarbicanConnection) {
    this.#connection = connection;
  }

  /** The stores that a project may choose from. */
  async list(
    caller: Caller,
    options: BarbicanCallOptions = {},
  ): Promise<readonly SecretStoreDocument[]> {
    const what = "GET secret-stores";
    const document = await this.#read(caller, [], options);
    return arrayField(what, document, "secret_stores").map((item) =>
      readStore(what, asObject(what, "a secret store", item)),
    );
  }

  /** The store of projects that prefer none. */
  async globalDefault(
    caller: Caller,
    options: BarbicanCallOptions = {},
  ): Promise<SecretStoreDocument> {
    return readStore(
      "GET secret-stores/global-default",
      await this.#read(caller, ["global-default"], options),
    );
  }

  /** @throws `not_found` if the project prefers none. */
  async preferred(caller: Caller, options: BarbicanCallOptions = {}): Promise<SecretStoreDocument> {
    return readStore(
      "GET secret-stores/preferred",
      await this.#read(caller, ["preferred"], options),
    );
  }

  /** @throws `not_found` */
  async get(
    caller: Caller,
    id: ObjectId,
    options: BarbicanCallOptions = {},
  ): Promise<SecretStoreDocument> {
    return readStore(`GET secret-stores/${id}`, await this.#read(caller, [id], options));
  }

  /** New secrets of the caller's project go there from now on. */
  async prefer(caller: Caller, id: ObjectId, options: BarbicanCallOptions = {}): Promise<void> {
    await this.#setPreference(caller, "POST", id, options);
  }

  /** The project goes back to the global default. */
  async unprefer(caller: Caller, id: ObjectId, options: BarbicanCallOptions = {}): Promise<void> {
    await this.#setPreference(caller, "DELETE", id, options);
  }

  async #setPreference(
    caller: Caller,
    method: "POST" | "DELETE",
    id: ObjectId,
    options: BarbicanCallOptions,
  ): Promise<void> {
    const path = ["secret-stores", id, "preferred"];
    await unlessDisabled(
      this.#connection.call(caller, {
        method,
        path,
        expect: [204],
        repeatable: true,
        signal: options.signal,
      }),
    );
  }

  #read(caller: Caller, path: readonly string[], options: BarbicanCallOptions): Promise<Document> {
    return unlessDisabled(
      this.#connection.document(caller, {
        method: "GET",
        path: ["secret-stores", ...path],
        expect: [200],
        signal: options.signal,
      }),
    );
  }
}

/** Barbican says that the feature is off with a 404; that is no missing store. */
async function unlessDisabled<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    if (
      cause instanceof KeyManagerError &&
      cause.code === "not_found" &&
      /not enabled/.test(cause.message)
    ) {
      throw new KeyManagerError("unsupported", cause.message, { cause });
    }
    throw cause;
  }
}

function readStore(what: string, document: Document): SecretStoreDocument {
  return {
    id: referenceField(what, document, "secret_store_ref"),
    name: textField(what, document, "name"),
    status: textField(what, document, "status"),
    secretStorePlugin: textField(what, document, "secret_store_plugin"),
    cryptoPlugin: optionalText(what, document, "crypto_plugin"),
    globalDefault: document["global_default"] === true,
  };
}
