import { WireError } from "../model/wire-error.ts";
import type { ContainerMember, NewContainer } from "../services/containers.ts";
import { invalidId } from "../services/ids.ts";
import { Fields, type JsonObject } from "./body.ts";
import type { Refs } from "./refs.ts";

/** Which names a typed container must and may have. */
const memberNames = {
  rsa: { must: ["public_key", "private_key"], may: ["private_key_passphrase"] },
  certificate: {
    must: ["certificate"],
    may: ["private_key", "private_key_passphrase", "intermediates"],
  },
} as const;

/** Parses the body of POST /v1/containers. @throws WireError 400, 404 */
export function parseNewContainer(object: JsonObject, refs: Refs): NewContainer {
  const fields = new Fields(object, "Container");
  const type = fields.requiredText("type");
  if (type !== "generic" && type !== "rsa" && type !== "certificate")
    throw fields.error("type is not one of generic, rsa, certificate", "type");
  const name = fields.text("name", { nullable: true }) ?? null;
  const members = parseMembers(fields, refs);
  if (type !== "generic" && members.length > 0) checkNames(fields, type, members);
  return { type, name, members };
}

function parseMembers(fields: Fields, refs: Refs): readonly ContainerMember[] {
  const list: unknown =
    fields.raw("secret_refs") ?? (fields.raw("secret_refs") === null ? null : []);
  if (!Array.isArray(list)) throw fields.error("secret_refs is not of type 'array'", "secret_refs");
  const names = new Set<string | null>();
  const ids = new Set<string>();
  return list.map((item: unknown) => {
    if (typeof item !== "object" || item === null || Array.isArray(item))
      throw fields.error("an item of secret_refs is not of type 'object'", "secret_refs");
    const inner = new Fields(item as JsonObject, "Container");
    const given = inner.text("name", { nullable: true });
    // A missing name counts as an empty one; null is a name apart.
    const name = given === undefined ? "" : given;
    const id = secretIdIn(inner, refs);
    if (names.has(name)) throw fields.error("two secret_refs have one name", "secret_refs");
    if (ids.has(id)) throw fields.error("one secret is there twice", "secret_refs");
    names.add(name);
    ids.add(id);
    return { secret_id: id, name: given ?? null };
  });
}

function checkNames(
  fields: Fields,
  type: keyof typeof memberNames,
  members: readonly ContainerMember[],
): void {
  const { must, may } = memberNames[type];
  const allowed: readonly (string | null)[] = [...must, ...may];
  const complete = must.every((name) => members.some((member) => member.name === name));
  if (!complete || !members.every((member) => allowed.includes(member.name)))
    throw fields.error(
      `a container of type ${type} has ${must.join(", ")}, and may have ${may.join(", ")}`,
      "secret_refs",
    );
}

/** Parses the body of POST and DELETE /v1/containers/{id}/secrets. @throws WireError 400, 404 */
export function parseContainerSecret(object: JsonObject, refs: Refs): ContainerMember {
  const fields = new Fields(object, "ContainerSecret");
  const id = secretIdIn(fields, refs);
  const name = fields.text("name", { nullable: true }) ?? null;
  return { secret_id: id, name };
}

/** The one rule for refs of secrets in bodies. @throws WireError 400, 404 */
function secretIdIn(fields: Fields, refs: Refs): string {
  const parsed = refs.parseSecret(fields.requiredText("secret_ref", { min: 1, max: 2_048 }));
  switch (parsed.type) {
    case "id":
      return parsed.id;
    case "invalid":
      throw invalidId("secret");
    case "foreign":
      throw fields.error(
        "a secret_ref is neither an id nor under an address of this server; send the id, or have the address added to acceptedAddresses",
        "secret_ref",
      );
    case "unknown":
      throw new WireError(404, "Not Found. Secret not found.");
  }
}
