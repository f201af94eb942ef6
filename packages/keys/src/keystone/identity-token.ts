import {
  arrayField,
  asObject,
  type Document,
  objectField,
  optionalText,
  textField,
  timeOf,
} from "../http/document.ts";
import { SecretBytes } from "../model/secret-bytes.ts";
import type { Catalog } from "./catalog.ts";
import { catalogOf } from "./catalog.ts";

/** Proof of who a caller is, from Keystone. */
export interface IdentityToken {
  readonly value: SecretBytes;
  /** Undefined if the token was given without a Keystone to ask. */
  readonly expires: Date | undefined;
  readonly userId: string | undefined;
  readonly projectId: string | undefined;
  readonly roles: readonly string[];
  readonly catalog: Catalog;
}

/** https://docs.openstack.org/api-ref/identity/v3/#password-authentication-with-scoped-authorization */
export function identityTokenOf(what: string, value: string, body: Document): IdentityToken {
  const token = objectField(what, body, "token");
  const user = objectField(what, token, "user");
  const roles = token["roles"] === undefined ? [] : arrayField(what, token, "roles");
  return {
    value: SecretBytes.fromText(value),
    expires: timeOf(what, "expires_at", textField(what, token, "expires_at")),
    userId: optionalText(what, user, "id"),
    projectId:
      token["project"] === undefined || token["project"] === null
        ? undefined
        : textField(what, objectField(what, token, "project"), "id"),
    roles: roles.map((role) => textField(what, asObject(what, "a role", role), "name")),
    catalog: catalogOf(what, token["catalog"] ?? []),
  };
}
