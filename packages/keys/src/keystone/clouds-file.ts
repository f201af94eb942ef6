import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { KeyManagerError } from "../model/errors.ts";

export type Mapping = Readonly<Record<string, unknown>>;

/** A parsed clouds.yaml, secure.yaml or clouds-public.yaml: every scalar is the text that is written, or null. */
export interface File {
  readonly path: string;
  readonly content: Mapping;
}

/** Undefined if there is no such file. @throws `invalid_argument`; no message quotes the file */
export function readFile(path: string): File | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw invalid(path, `cannot be read: ${code ?? "unknown error"}`);
  }
  return { path, content: mapping({ path }, "the file", contentOf(path, text)) };
}

function contentOf(path: string, text: string): unknown {
  // Every scalar as it is written, but null: a password of digits is no number, and "null" in quotes is a text.
  const document = parseDocument(text, { schema: "failsafe", customTags: ["null"], merge: true });
  // An unknown tag is only a warning; the value may be encrypted text, as Ansible writes it.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem === undefined) {
    try {
      return document.toJS({ maxAliasCount: 100 });
    } catch {
      throw invalid(path, "not valid YAML: an alias leads nowhere, to itself, or to too much");
    }
  }
  // The parser's message quotes the line, which may contain a password: report only its position.
  const line = problem.linePos?.[0].line;
  const place = line === undefined ? "" : `: see line ${line}`;
  throw invalid(path, `${reasons.get(problem.code) ?? "not valid YAML"}${place}`);
}

const reasons: ReadonlyMap<string, string> = new Map([
  ["DUPLICATE_KEY", "a name is given twice"],
  ["TAG_RESOLVE_FAILED", "a value has a tag that is not supported"],
]);

/** An empty one for YAML's nothing. @throws `invalid_argument` */
export function mapping(file: Pick<File, "path">, subject: string, value: unknown): Mapping {
  if (isNothing(value)) return {};
  if (!isMapping(value)) throw invalid(file.path, `${subject} must be a mapping`);
  return value;
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What YAML has for "no value". */
export function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

export function invalid(subject: string, reason: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", `${subject}: ${reason}`);
}
