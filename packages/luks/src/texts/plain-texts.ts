import { LuksError } from "../errors.ts";

/** The longest text of a header outside of its tokens, in UTF-16 units. */
const maxText = 64;
/** Of a salt or digest in base64. */
const maxBase64 = 1024;

/**
 * Refuses texts that a terminal, a log, XML or another program would read as more than text.
 *
 * @param value texts, in any depth
 * @throws `untrusted_header`
 */
export function requirePlainTexts(operation: string, name: string, value: unknown): void {
  if (isPlain(value, maxText)) return;
  throw new LuksError(
    "untrusted_header",
    `${operation} ${name}: a text in the header is too long or has control characters`,
  );
}

/** A header's text for a message: what is not printable ASCII is shown as `?`, and 80 letters at most. */
export function shownText(text: string): string {
  return text.slice(0, 80).replaceAll(/[^ -~]/g, "?");
}

function isPlain(value: unknown, limit: number): boolean {
  if (typeof value === "string") return value.length <= limit && !/\p{Cc}/u.test(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(
    ([key, item]) =>
      isPlain(key, maxText) &&
      isPlain(item, key === "salt" || key === "digest" ? maxBase64 : maxText),
  );
}
