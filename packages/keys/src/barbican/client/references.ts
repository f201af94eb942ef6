import { type Document, textField } from "../../http/document.ts";
import { KeyManagerError } from "../../model/errors.ts";
import { type ObjectId, objectId } from "../../model/managed-object.ts";

/**
 * The id at the end of a reference that Barbican answered with. Its host is never
 * followed: Barbican writes there what its configuration says.
 *
 * @throws `bad_response` if the field is missing or no reference.
 */
export function referenceField(what: string, document: Document, field: string): ObjectId {
  const reference = textField(what, document, field);
  try {
    return objectId(reference);
  } catch (cause) {
    throw new KeyManagerError("bad_response", `${what}: "${field}" is not a reference`, { cause });
  }
}
