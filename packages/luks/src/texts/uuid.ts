declare const uuidBrand: unique symbol;

/** A UUID in the lower-case text form of RFC 4122, section 3. Only {@link parseUuid} makes one. */
export type Uuid = string & { readonly [uuidBrand]: true };

/** @returns undefined for any other text, upper case included */
export function parseUuid(text: string): Uuid | undefined {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(text) ? (text as Uuid) : undefined;
}
