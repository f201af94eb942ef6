import { isDeepStrictEqual } from "node:util";
import { isJsonObject } from "./bounded-json.ts";

/**
 * The JSON text of `value`, in which everything that is as in `source` keeps the bytes that it has there: digits of
 * numbers that JavaScript would round, the spelling of numbers and escapes, the order of members, members that are there
 * twice. So a program can change the part of a document that it knows, and leave the rest to those who wrote it.
 *
 * Members that only `value` has come after those of `source`. Members of `value` that are undefined are left out.
 *
 * @param source a valid JSON text
 * @param texts JSON texts of objects in `value` that `source` does not have
 */
export function mergeJson(
  source: string,
  value: unknown,
  texts: ReadonlyMap<unknown, string> = new Map(),
): string {
  const before: unknown = JSON.parse(source);
  if (isDeepStrictEqual(before, value)) return source;
  if (!isJsonObject(before) || !isJsonObject(value)) return textOf(value, texts);
  const members = membersOf(source);
  const last = new Map(members.map(({ name }, index) => [name, index]));
  const kept = members.flatMap(({ name, nameText, valueText }, index) => {
    if (!has(value, name)) return [];
    // Of a name that is there twice, readers take the last value.
    const isRead = last.get(name) === index;
    return [`${nameText}:${isRead ? mergeJson(valueText, value[name], texts) : valueText}`];
  });
  const added = Object.keys(value)
    .filter((name) => !last.has(name) && has(value, name))
    .map((name) => `${JSON.stringify(name)}:${textOf(value[name], texts)}`);
  return `{${[...kept, ...added].join(",")}}`;
}

function has(value: Record<string, unknown>, name: string): boolean {
  return Object.hasOwn(value, name) && value[name] !== undefined;
}

function textOf(value: unknown, texts: ReadonlyMap<unknown, string>): string {
  return texts.get(value) ?? JSON.stringify(value);
}

interface Member {
  readonly name: string;
  /** The name as it is spelled, quotes included. */
  readonly nameText: string;
  readonly valueText: string;
}

/** The members of a JSON object in their order. @param object its text, which is valid */
function membersOf(object: string): readonly Member[] {
  const members: Member[] = [];
  let at = afterBlanks(object, object.indexOf("{") + 1);
  while (object[at] === '"') {
    const nameText = object.slice(at, endOfValue(object, at));
    const start = afterBlanks(object, object.indexOf(":", at + nameText.length) + 1);
    const end = endOfValue(object, start);
    const name = JSON.parse(nameText) as string;
    members.push({ name, nameText, valueText: object.slice(start, end) });
    at = afterBlanks(object, end);
    if (object[at] === ",") at = afterBlanks(object, at + 1);
  }
  return members;
}

function afterBlanks(text: string, at: number): number {
  let next = at;
  while (isBlank(text[next])) next++;
  return next;
}

function isBlank(letter: string | undefined): boolean {
  return letter === " " || letter === "\t" || letter === "\n" || letter === "\r";
}

function endOfValue(text: string, start: number): number {
  let [at, depth] = [start, 0];
  do {
    const letter = text[at];
    if (letter === '"') at = endOfString(text, at);
    else if (letter === "{" || letter === "[") {
      depth++;
      at++;
    } else if (letter === "}" || letter === "]") {
      depth--;
      at++;
    } else if (depth === 0) return endOfWord(text, at);
    else at++;
  } while (depth > 0 && at < text.length);
  return at;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Of a number, `true`, `false` or `null`. */
function endOfWord(text: string, start: number): number {
  let at = start;
  while (at < text.length && !isBlank(text[at]) && !",}]".includes(text.charAt(at))) at++;
  return at;
}
