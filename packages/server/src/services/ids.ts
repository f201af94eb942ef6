import { WireError } from "../model/wire-error.ts";

const uuidV4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const anyUuid = /^(?:urn:uuid:)?\{?[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?$/i;

/** True for the only form that ids have: version-4 UUIDs in lower case. */
export function isId(text: string): boolean {
  return uuidV4.test(text);
}

/** True for a UUID in whatever form: in upper case, without dashes, in braces, as a URN. */
export function isUuid(text: string): boolean {
  return anyUuid.test(text);
}

/** @throws WireError 404 unless the id is a canonical lower-case version-4 UUID. @param kind "secret", "container" … */
export function checkId(kind: string, id: string): void {
  if (!isId(id)) throw invalidId(kind);
}

/** 404 for an id in a form that ids do not have, in a path and in a body alike. */
export function invalidId(kind: string): WireError {
  return new WireError(
    404,
    `Not Found. Provided ${kind} id is invalid: ids are version-4 UUIDs in lower case, with dashes.`,
  );
}
