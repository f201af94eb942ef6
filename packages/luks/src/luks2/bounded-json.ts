/** What the JSON area of an honest header never exceeds; cryptsetup's parser has the same depth. */
const maxDepth = 32;
const maxValues = 65_536;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** What a LUKS2 JSON area says. */
export interface JsonArea {
  readonly value: Record<string, unknown>;
  /** As it is spelled there, without what follows the object. */
  readonly text: string;
}

/**
 * Parses the text in a LUKS2 JSON area, refusing what would cost far more memory than the area itself.
 *
 * As in cryptsetup, the object begins at the first byte, and everything behind it is NUL, of which there is one at least.
 *
 * @returns undefined if the text is no such JSON object, too deep, or has too many values
 */
export function parseBoundedJson(area: Uint8Array): JsonArea | undefined {
  const end = area.indexOf(0);
  const used = area.subarray(0, Math.max(0, end));
  if (used[0] !== openBrace || used.at(-1) !== closeBrace) return undefined;
  if (area.subarray(end).some((byte) => byte !== 0) || !isBounded(used)) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(used);
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? { value, text } : undefined;
  } catch {
    return undefined;
  }
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isBounded(text: Uint8Array): boolean {
  let depth = 0;
  let values = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const byte = text[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      values++;
      if (++depth > maxDepth) return false;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (byte === 0x2c) values++;
    if (values > maxValues) return false;
  }
  return true;
}
