/**
 * Says why a text cannot be one line of visible text; undefined if it can. A reason completes "NAME …", and holds nothing
 * of the text, which may be a secret. Control characters include line breaks, also those of Unicode.
 */
export function flawOf(text: string): string | undefined {
  if (/[\r\n\u0085\u2028\u2029]$/.test(text)) return "must not end in a line break";
  if (/[\p{Cc}\u2028\u2029]/u.test(text)) return "must not have a line break or control character";
  // What Node.js puts in place of bytes that are not UTF-8.
  if (!text.isWellFormed() || text.includes("\ufffd")) return "must be valid UTF-8";
  return undefined;
}

/** @throws TypeError with what {@link flawOf} says */
export function refuseFlawed(text: string): void {
  const flaw = flawOf(text);
  if (flaw !== undefined) throw new TypeError(flaw);
}

/** The same, and blanks at either end. @throws TypeError */
export function refuseUntrimmed(text: string): void {
  refuseFlawed(text);
  if (text.trim() !== text) throw new TypeError("must not begin or end with a blank");
}
