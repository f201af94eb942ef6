import { arrayField, objectField, textField } from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import type { ReadAccess } from "../../model/key-manager.ts";
import type { ObjectId } from "../../model/managed-object.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";

/** https://docs.openstack.org/barbican/latest/api/reference/acls.html */
export class Acls {
  readonly #connection: BarbicanConnection;
  readonly #resource: "secrets" | "containers";

  constructor(connection: BarbicanConnection, resource: "secrets" | "containers") {
    this.#connection = connection;
    this.#resource = resource;
  }

  /** Without an ACL, only the project may read. */
  async get(caller: Caller, id: ObjectId, options: BarbicanCallOptions = {}): Promise<ReadAccess> {
    const what = `GET ${this.#resource}/${id}/acl`;
    const document = await this.#connection.document(caller, {
      method: "GET",
      path: [this.#resource, id, "acl"],
      expect: [200],
      signal: options.signal,
    });
    const read = objectField(what, document, "read");
    return {
      projectAccess: read["project-access"] !== false,
      userIds:
        read["users"] === undefined
          ? []
          : arrayField(what, read, "users").map((user) => textField(what, { user }, "user")),
    };
  }

  /** Replaces the ACL. */
  async replace(
    caller: Caller,
    id: ObjectId,
    access: ReadAccess,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#write(caller, "PUT", id, access, options);
  }

  /** Changes only what is given. */
  async update(
    caller: Caller,
    id: ObjectId,
    access: Partial<ReadAccess>,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#write(caller, "PATCH", id, access, options);
  }

  /** Back to the default. */
  async delete(caller: Caller, id: ObjectId, options: BarbicanCallOptions = {}): Promise<void> {
    await this.#connection.call(caller, {
      method: "DELETE",
      path: [this.#resource, id, "acl"],
      expect: [200],
      signal: options.signal,
    });
  }

  async #write(
    caller: Caller,
    method: "PUT" | "PATCH",
    id: ObjectId,
    access: Partial<ReadAccess>,
    options: BarbicanCallOptions,
  ): Promise<void> {
    await this.#connection.call(caller, {
      method,
      path: [this.#resource, id, "acl"],
      json: { read: { users: access.userIds, "project-access": access.projectAccess } },
      expect: [200],
      repeatable: true,
      signal: options.signal,
    });
  }
}
