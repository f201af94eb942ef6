import { isUtf8 } from "node:buffer";
import {
  arrayField,
  asObject,
  type Document,
  objectField,
  optionalNumber,
  optionalText,
  textField,
} from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import { KeyManagerError } from "../../model/errors.ts";
import {
  type Consumer,
  type ObjectId,
  type ObjectType,
  objectTypes,
} from "../../model/managed-object.ts";
import { SecretBytes } from "../../model/secret-bytes.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";
import { readSecretConsumer } from "./consumers.ts";
import { fetchPage, type Page, type PageRequest } from "./page.ts";
import { referenceField } from "./references.ts";

/** A secret as Barbican describes it. Times as on the wire, with the precision that filters need. */
export interface SecretDocument {
  readonly id: ObjectId;
  readonly type: ObjectType;
  readonly status: string;
  readonly name: string | undefined;
  readonly algorithm: string | undefined;
  readonly bitLength: number | undefined;
  readonly mode: string | undefined;
  readonly expiration: string | undefined;
  readonly created: string;
  readonly updated: string;
  readonly creatorId: string | undefined;
  /** Undefined if the secret has no payload. */
  readonly contentType: string | undefined;
  /** Undefined before microversion 1.1. */
  readonly consumers: readonly Consumer[] | undefined;
}

/** What a secret is registered with. */
export interface NewSecret {
  readonly type: ObjectType;
  readonly name?: string | undefined;
  readonly algorithm?: string | undefined;
  readonly bitLength?: number | undefined;
  readonly mode?: string | undefined;
  readonly expiration?: Date | undefined;
  /** Undefined: it comes later, with {@link Secrets.putPayload}. Crosses as base64, so at most 15,000 bytes at Barbican's default limit. */
  readonly payload?: { readonly bytes: SecretBytes; readonly contentType: string } | undefined;
  /** Wraps the payload for a store that has transport keys. */
  readonly transportKeyId?: string | undefined;
}

export type SecretSortKey =
  | "algorithm"
  | "bit_length"
  | "created"
  | "expiration"
  | "mode"
  | "name"
  | "secret_type"
  | "status"
  | "updated";

/** Filters of the list; times are `gt:`, `gte:`, `lt:` or `lte:` and a time, comma-separated. */
export interface SecretFilter {
  /** Matched as SQL's LIKE does: `%` and `_` are wildcards. */
  readonly name?: string | undefined;
  readonly alg?: string | undefined;
  readonly mode?: string | undefined;
  readonly bits?: number | undefined;
  readonly secret_type?: ObjectType | undefined;
  /** Secrets of any project whose read ACL names the caller, instead of the project's own. */
  readonly acl_only?: boolean | undefined;
  readonly created?: string | undefined;
  readonly updated?: string | undefined;
  readonly expiration?: string | undefined;
  readonly sort?: readonly `${SecretSortKey}:${"asc" | "desc"}`[] | undefined;
}

/** https://docs.openstack.org/barbican/latest/api/reference/secrets.html */
export class Secrets {
  readonly #connection: BarbicanConnection;

  constructor(connection: BarbicanConnection) {
    this.#connection = connection;
  }

  /**
   * Registers a secret, in one step if the payload is given. Of a text payload
   * that comes in one step, Barbican strips the white space at its ends.
   */
  async create(
    caller: Caller,
    secret: NewSecret,
    options: BarbicanCallOptions = {},
  ): Promise<ObjectId> {
    const create = (payload: object) =>
      this.#connection.document(caller, {
        method: "POST",
        path: ["secrets"],
        json: {
          secret_type: secret.type,
          name: secret.name,
          algorithm: secret.algorithm,
          bit_length: secret.bitLength,
          mode: secret.mode,
          expiration: secret.expiration?.toISOString(),
          transport_key_id: secret.transportKeyId,
          ...payload,
        },
        expect: [201],
        carriesSecret: secret.payload !== undefined,
        signal: options.signal,
      });
    const { payload } = secret;
    const document =
      payload === undefined
        ? await create({})
        : await payload.bytes.use((bytes) => create(wirePayload(bytes, payload.contentType)));
    return referenceField("POST secrets", document, "secret_ref");
  }

  /** The second step: gives a secret without a payload its bytes, which are stored as they are. */
  async putPayload(
    caller: Caller,
    id: ObjectId,
    payload: { readonly bytes: SecretBytes; readonly contentType: string },
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await payload.bytes.use((bytes) =>
      this.#connection.call(caller, {
        method: "PUT",
        path: ["secrets", id],
        raw: { contentType: payload.contentType, bytes },
        expect: [204],
        // A repetition of a PUT that took effect is a 409.
        repeatable: false,
        carriesSecret: true,
        signal: options.signal,
      }),
    );
  }

  /** What is known of a secret, without its payload. @throws `not_found` */
  async get(
    caller: Caller,
    id: ObjectId,
    options: BarbicanCallOptions = {},
  ): Promise<SecretDocument> {
    const document = await this.#connection.document(caller, {
      method: "GET",
      path: ["secrets", id],
      expect: [200],
      signal: options.signal,
    });
    return readSecret(`GET secrets/${id}`, document);
  }

  /** @throws `not_found` also if the secret has no payload yet. */
  async payload(
    caller: Caller,
    id: ObjectId,
    options: BarbicanCallOptions & { readonly accept?: string } = {},
  ): Promise<SecretBytes> {
    const response = await this.#connection.call(caller, {
      method: "GET",
      path: ["secrets", id, "payload"],
      // Any secret can be requested as bytes.
      accept: options.accept ?? "application/octet-stream",
      expect: [200],
      signal: options.signal,
    });
    const bytes = new SecretBytes(response.body);
    response.body.fill(0);
    return bytes;
  }

  /** One page of the project's secrets that match. */
  async list(
    caller: Caller,
    filter: SecretFilter = {},
    page: PageRequest = {},
    options: BarbicanCallOptions = {},
  ): Promise<Page<SecretDocument>> {
    const { sort, acl_only: aclOnly, ...rest } = filter;
    const query = {
      ...rest,
      sort: sort?.join(","),
      acl_only: aclOnly === undefined ? undefined : String(aclOnly),
    };
    return fetchPage(
      this.#connection,
      caller,
      { path: ["secrets"], plural: "secrets", query, page, read: readSecret },
      options,
    );
  }

  /** From microversion 1.2 a secret with consumers is refused with `invalid_argument` unless `force`. */
  async delete(
    caller: Caller,
    id: ObjectId,
    options: BarbicanCallOptions & { readonly force?: boolean | undefined } = {},
  ): Promise<void> {
    await this.#connection.call(caller, {
      method: "DELETE",
      path: ["secrets", id],
      query: { force: options.force === true ? "true" : undefined },
      expect: [204],
      signal: options.signal,
    });
  }
}

function wirePayload(bytes: Uint8Array, contentType: string): object {
  if (!isText(contentType)) {
    return {
      payload: Buffer.from(bytes).toString("base64"),
      payload_content_type: contentType,
      payload_content_encoding: "base64",
    };
  }
  if (!isUtf8(bytes)) {
    throw new KeyManagerError(
      "invalid_argument",
      `POST secrets: the payload is not UTF-8 text, as ${contentType} must be`,
    );
  }
  return { payload: Buffer.from(bytes).toString("utf8"), payload_content_type: contentType };
}

export function isText(contentType: string): boolean {
  return /^text\//i.test(contentType);
}

export function readSecret(what: string, document: Document): SecretDocument {
  const type = textField(what, document, "secret_type");
  if (!objectTypes.includes(type as ObjectType)) {
    throw new KeyManagerError(
      "bad_response",
      `${what}: unknown secret_type ${JSON.stringify(type.slice(0, 40))}`,
    );
  }
  return {
    id: referenceField(what, document, "secret_ref"),
    type: type as ObjectType,
    status: textField(what, document, "status"),
    name: optionalText(what, document, "name"),
    algorithm: optionalText(what, document, "algorithm"),
    bitLength: optionalNumber(what, document, "bit_length"),
    mode: optionalText(what, document, "mode"),
    expiration: optionalText(what, document, "expiration"),
    created: textField(what, document, "created"),
    updated: textField(what, document, "updated"),
    creatorId: optionalText(what, document, "creator_id"),
    contentType:
      document["content_types"] === undefined || document["content_types"] === null
        ? undefined
        : optionalText(what, objectField(what, document, "content_types"), "default"),
    consumers:
      document["consumers"] === undefined
        ? undefined
        : arrayField(what, document, "consumers").map((item) =>
            readSecretConsumer(what, asObject(what, "a consumer", item)),
          ),
  };
}
