/** JSON that `JSON.stringify` cannot say: other spellings of numbers, members twice, bytes that are no text. */
export type HostileJson = unknown;

/** Stands in the text as it is. U+F8FF stands for bytes 0xff, which no UTF-8 text has. */
export class RawText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A member that is there twice, with two values. */
export class Twice {
  readonly first: HostileJson;
  readonly second: HostileJson;

  constructor(first: HostileJson, second: HostileJson) {
    this.first = first;
    this.second = second;
  }
}

/** The bytes of a JSON text, which need not be valid. */
export function jsonBytes(value: HostileJson): Buffer {
  const bytes = Buffer.from(textOf(value));
  // U+F8FF is ef a3 bf in UTF-8.
  for (let at = bytes.indexOf("efa3bf", 0, "hex"); at >= 0; at = bytes.indexOf("efa3bf", at, "hex"))
    bytes.fill(0xff, at, at + 3);
  return bytes;
}

function textOf(value: HostileJson): string {
  if (value instanceof RawText) return value.text;
  if (Array.isArray(value)) return `[${value.map(textOf).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).flatMap(([name, member]) =>
      (member instanceof Twice ? [member.first, member.second] : [member]).map(
        (one) => `${JSON.stringify(name)}:${textOf(one)}`,
      ),
    );
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}
