import { KeyManagerError } from "./errors.ts";
import type { SymmetricKeySpec } from "./key-manager.ts";
import type { Consumer, ObjectAttributes } from "./managed-object.ts";

/**
 * Checks what is said of an object, alike for every backend: what one of them
 * would cut, strip or fail on is refused by all.
 *
 * @throws `invalid_argument`
 */
export function checkAttributes(what: string, attributes: ObjectAttributes): void {
  for (const field of ["name", "algorithm", "mode"] as const) {
    const text = attributes[field];
    if (text !== undefined) checkText(what, field, text, 255);
  }
  const { contentType } = attributes;
  if (contentType !== undefined && !/^[\w.+-]+\/[\w.+-]+(; ?charset=[\w-]+)?$/.test(contentType)) {
    throw invalid(what, "contentType is not a media type such as text/plain");
  }
}

/** @throws `unsupported` if no key can have that length, else as {@link checkAttributes}. */
export function checkKeySpec(what: string, spec: SymmetricKeySpec): void {
  checkAttributes(what, spec);
  const { bitLength } = spec;
  if (Number.isSafeInteger(bitLength) && bitLength > 0 && bitLength % 8 === 0) return;
  throw new KeyManagerError(
    "unsupported",
    `${what}: bitLength ${bitLength} is not a number of whole bytes`,
  );
}

/** @throws `invalid_argument` */
export function checkConsumer(what: string, consumer: Consumer): void {
  checkText(what, "service", consumer.service, 255);
  checkText(what, "resourceType", consumer.resourceType, 255);
  checkText(what, "resourceId", consumer.resourceId, 36);
}

function checkText(what: string, field: string, text: string, maxLength: number): void {
  if (typeof text !== "string" || text === "" || Array.from(text).length > maxLength) {
    throw invalid(what, `${field} must be a text of 1 to ${maxLength} characters`);
  }
  if (isBlank(text.at(0)) || isBlank(text.at(-1))) {
    throw invalid(what, `${field} begins or ends with a blank`);
  }
}

/** What Barbican strips off every text: Python's white space, which includes some control characters. */
function isBlank(character = ""): boolean {
  return /[\s\u0085]/.test(character) || (character >= "\u001c" && character <= "\u001f");
}

function invalid(what: string, reason: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", `${what}: ${reason}`);
}
