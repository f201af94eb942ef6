import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { KeyManagerError } from "../model/errors.ts";

export type Mapping = Readonly<Record<string, unknown>>;

/** A parsed clouds.yaml, secure.yaml or clouds-public.yaml: every scalar is the text that is written. */
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
  let content: unknown;
  try {
    // Every scalar as it is written: a password of digits is no number.
    content = parse(text, {
      schema: "failsafe",
      merge: true,
      maxAliasCount: 100,
      logLevel: "error",
    });
  } catch (error) {
    // The parser's message quotes the line, which may hold a password: only its place is told.
    const line = (error as { linePos?: readonly { readonly line: number }[] }).linePos?.[0]?.line;
    throw invalid(path, `it is no valid YAML${line === undefined ? "" : `: see line ${line}`}`);
  }
  return { path, content: mapping({ path }, "the file", content) };
}

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
  return value === undefined || value === null || value === "" || value === "~" || value === "null";
}

export function invalid(subject: string, reason: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", `${subject}: ${reason}`);
}
