/**
 * Decodes base64 as Barbican's callers are used to: characters outside the
 * alphabet are dropped, and so is what follows the padding.
 *
 * @returns undefined if there is a character outside ASCII, or the padding is wrong
 */
export function lenientBase64(text: string): Buffer | undefined {
  if (/[^ -~\s]/.test(text)) {
    // Control characters are ASCII and dropped; anything above is not ASCII.
    for (const character of text) if (character > "\x7f") return undefined;
  }
  const kept = text.replace(/[^A-Za-z0-9+/=]/g, "");
  const digits = /^[^=]*/.exec(kept)?.[0] ?? "";
  const padding = kept.length - digits.length;
  const open = digits.length % 4;
  if (open === 1 || (open > 0 && padding < 4 - open)) return undefined;
  return Buffer.from(digits, "base64");
}
