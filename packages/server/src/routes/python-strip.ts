/**
 * Removes white space from both ends of a text, as Python's `str.strip` does for Barbican. `String.trim` differs: it
 * removes U+FEFF, and keeps U+001C to U+001F and U+0085. A payload must come back as Barbican would return it.
 */
export function pythonStrip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** The characters for which Python's `str.isspace` is true: Unicode's WS, B, S and Zs. None is above U+FFFF. */
function isSpace(code: number): boolean {
  if (code < 0x80)
    return code === 0x20 || (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x1f);
  return others.has(code) || (code >= 0x2000 && code <= 0x200a);
}

const others = new Set([0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000]);
