import { WireError } from "../model/wire-error.ts";

const uuidV4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** True for the only form that ids have: version-4 UUIDs in lower case. */
export function isId(text: string): boolean {
  return uuidV4.test(text);
}

/** @throws WireError 404 unless the id is a canonical lower-case version-4 UUID. @param kind "secret", "container" … */
export function checkId(kind: string, id: string): void {
  if (!isId(id)) throw new WireError(404, `Not Found. Provided ${kind} id is invalid.`);
}
