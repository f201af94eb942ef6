import {
  arrayField,
  asObject,
  type Document,
  optionalText,
  textField,
} from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import type { ObjectId } from "../../model/managed-object.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";
import { type ContainerConsumer, readContainerConsumer } from "./consumers.ts";
import { fetchPage, type Page, type PageRequest } from "./page.ts";
import { referenceField } from "./references.ts";

/** The types that a client may make. */
export type ContainerType = "generic" | "rsa" | "certificate";

/** A secret in a container, under a name such as `private_key`. */
export interface ContainerMember {
  readonly name: string | undefined;
  readonly secretId: ObjectId;
}

/** A container to be made of secrets that are there. */
export interface NewContainer {
  readonly type: ContainerType;
  readonly name?: string | undefined;
  readonly members: readonly ContainerMember[];
}

/** A container as Barbican describes it. */
export interface ContainerDocument {
  readonly id: ObjectId;
  /** A {@link ContainerType}, or `dsa` if an order made it. */
  readonly type: string;
  readonly status: string;
  readonly name: string | undefined;
  readonly created: string;
  readonly creatorId: string | undefined;
  readonly members: readonly ContainerMember[];
  readonly consumers: readonly ContainerConsumer[];
}

/** https://docs.openstack.org/barbican/latest/api/reference/containers.html */
export class Containers {
  readonly #connection: BarbicanConnection;

  constructor(connection: BarbicanConnection) {
    this.#connection = connection;
  }

  /** Resolves to the new container's id. */
  async create(
    caller: Caller,
    container: NewContainer,
    options: BarbicanCallOptions = {},
  ): Promise<ObjectId> {
    const base = await this.#connection.endpoint(caller, options.signal);
    const document = await this.#connection.document(caller, {
      method: "POST",
      path: ["containers"],
      json: {
        type: container.type,
        name: container.name,
        secret_refs: container.members.map((member) => wireMember(base, member)),
      },
      expect: [201],
      signal: options.signal,
    });
    return referenceField("POST containers", document, "container_ref");
  }

  /** @throws `not_found` */
  async get(
    caller: Caller,
    id: ObjectId,
    options: BarbicanCallOptions = {},
  ): Promise<ContainerDocument> {
    const document = await this.#connection.document(caller, {
      method: "GET",
      path: ["containers", id],
      expect: [200],
      signal: options.signal,
    });
    return readContainer(`GET containers/${id}`, document);
  }

  /** One page of the project's containers, oldest first. */
  list(
    caller: Caller,
    filter: { readonly name?: string | undefined; readonly type?: ContainerType | undefined } = {},
    page: PageRequest = {},
    options: BarbicanCallOptions = {},
  ): Promise<Page<ContainerDocument>> {
    return fetchPage(
      this.#connection,
      caller,
      {
        path: ["containers"],
        plural: "containers",
        query: { ...filter },
        page,
        read: readContainer,
      },
      options,
    );
  }

  /** Leaves the member secrets. */
  async delete(caller: Caller, id: ObjectId, options: BarbicanCallOptions = {}): Promise<void> {
    await this.#connection.call(caller, {
      method: "DELETE",
      path: ["containers", id],
      expect: [204],
      signal: options.signal,
    });
  }

  /** Only generic containers take further secrets. @throws `conflict` if it is in there under that name. */
  async addSecret(
    caller: Caller,
    id: ObjectId,
    member: ContainerMember,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#changeMember(caller, "POST", 201, id, member, options);
  }

  /** Takes a secret out of a container; the secret itself stays. */
  async removeSecret(
    caller: Caller,
    id: ObjectId,
    member: ContainerMember,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#changeMember(caller, "DELETE", 204, id, member, options);
  }

  async #changeMember(
    caller: Caller,
    method: "POST" | "DELETE",
    expected: number,
    id: ObjectId,
    member: ContainerMember,
    options: BarbicanCallOptions,
  ): Promise<void> {
    const base = await this.#connection.endpoint(caller, options.signal);
    await this.#connection.call(caller, {
      method,
      path: ["containers", id, "secrets"],
      json: wireMember(base, member),
      expect: [expected],
      signal: options.signal,
    });
  }
}

function wireMember(base: string, { name, secretId }: ContainerMember): object {
  return { name, secret_ref: `${base}/v1/secrets/${secretId}` };
}

function readContainer(what: string, document: Document): ContainerDocument {
  return {
    id: referenceField(what, document, "container_ref"),
    type: textField(what, document, "type"),
    status: textField(what, document, "status"),
    name: optionalText(what, document, "name"),
    created: textField(what, document, "created"),
    creatorId: optionalText(what, document, "creator_id"),
    members: arrayField(what, document, "secret_refs").map((item) => {
      const member = asObject(what, "a secret_ref", item);
      return {
        name: optionalText(what, member, "name"),
        secretId: referenceField(what, member, "secret_ref"),
      };
    }),
    consumers: arrayField(what, document, "consumers").map((item) =>
      readContainerConsumer(what, asObject(what, "a consumer", item)),
    ),
  };
}
