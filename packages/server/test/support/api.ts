import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { parse } from "yaml";
import type { Answer } from "./harness.ts";

/** One operation of the document. */
export interface Operation {
  readonly method: string;
  /** As the document has it, with `{names}`. */
  readonly path: string;
  /** JSON pointer to the operation. */
  readonly pointer: readonly string[];
  readonly rule?: string;
  readonly access?: string;
}

const document = parse(
  readFileSync(new URL("../../openapi.yaml", import.meta.url), "utf8"),
) as OpenApi;

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
}

/** The document as it is written. */
export const openApi: OpenApi = document;

/** Every operation in it. */
export const operations: readonly Operation[] = Object.entries(document.paths).flatMap(
  ([path, item]) =>
    Object.entries(item)
      .filter(([member]) => member !== "parameters")
      .map(([method, operation]) => {
        const { "x-policy-rule": rule, "x-access": access } = operation as Record<string, string>;
        return {
          method: method.toUpperCase(),
          path,
          pointer: ["paths", path, method],
          ...(rule !== undefined && { rule }),
          ...(access !== undefined && { access }),
        };
      }),
);

const bySegments = Object.keys(document.paths).map((path) => ({ path, wanted: segmentsOf(path) }));

/** What any request may be answered, whether its operation says so or not: `default` in the document. */
const always = new Set([400, 401, 405, 406, 413, 414, 415, 431, 500, 503]);

/** Asserts that an answer is one that the document promises: its status, headers, type, and the shape of its body. */
export function assertDocumented(method: string, url: string, answer: Answer): void {
  const said = `${method} ${url.slice(0, 200)}: ${answer.status} ${answer.text.slice(0, 500)}`;
  if (method === "OPTIONS") return;
  const path = pathOf(url);
  // Keystone's part answers HEAD as it would GET, but for the body.
  const asked = method === "HEAD" && path?.startsWith("/v3") ? "GET" : method;
  const found = operations.find((one) => one.path === path && one.method === asked);
  if (!found) {
    const refused = always.has(answer.status) || answer.status === 404;
    assert.ok(refused, `what is not documented is not answered: ${said}`);
    return;
  }
  const responses = resolve([...found.pointer, "responses"]);
  const key = Object.hasOwn(responses.value, answer.status) ? String(answer.status) : "default";
  if (key === "default") assert.ok(always.has(answer.status), `no such status: ${said}`);
  if (method === "HEAD") return;
  assertContent(resolve([...responses.pointer, key]), answer, said);
}

function assertContent(response: Resolved, answer: Answer, said: string): void {
  const { headers = {}, content } = response.value as ResponseObject;
  for (const name of Object.keys(headers)) {
    const header = resolve([...response.pointer, "headers", name]);
    const valid = validator([...header.pointer, "schema"]);
    assert.ok(valid(answer.headers[name.toLowerCase()]), `header ${name}: ${said}`);
  }
  if (!content) {
    assert.equal(answer.bytes.length, 0, `no body: ${said}`);
    return;
  }
  const type = String(answer.headers["content-type"]).split(";", 1)[0] ?? "";
  const media = content[type];
  assert.ok(media, `type ${type}: ${said}`);
  if (!media.schema) return;
  const valid = validator([...response.pointer, "content", type, "schema"]);
  const body: unknown = type === "application/json" ? JSON.parse(answer.text) : answer.text;
  assert.ok(valid(body), `${JSON.stringify(valid.errors)}: ${said}`);
}

interface ResponseObject {
  readonly headers?: Readonly<Record<string, object>>;
  readonly content?: Readonly<Record<string, { readonly schema?: object }>>;
}

interface Resolved {
  readonly pointer: readonly string[];
  readonly value: object;
}

/** What a pointer leads to, through `$ref`. */
function resolve(pointer: readonly string[]): Resolved {
  const value = pointer.reduce<unknown>(
    (at, name) => (at as Record<string, unknown>)[name],
    document,
  ) as { readonly $ref?: string };
  if (value.$ref === undefined) return { pointer, value };
  return resolve(value.$ref.slice("#/".length).split("/"));
}

let ajv: Ajv2020 | undefined;

function validator(pointer: readonly string[]): ValidateFunction {
  ajv ??= new Ajv2020({ strict: false, validateFormats: false, validateSchema: false }).addSchema(
    document,
    "api",
  );
  const encoded = pointer.map((name) =>
    encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1")),
  );
  const found = ajv.getSchema(`api#/${encoded.join("/")}`);
  assert.ok(found, pointer.join(" "));
  return found;
}

/** The path of the document that a URL is of; what is written out beats a parameter. */
function pathOf(url: string): string | undefined {
  // A request without a socket goes through such a URL, too: `%2e%2e` is up there.
  const given = segmentsOf(URL.parse(`http://keys.test${url}`)?.pathname ?? url);
  const fitting = bySegments.filter(
    ({ wanted }) =>
      wanted.length === given.length &&
      wanted.every((part, index) => part.startsWith("{") || part === given[index]),
  );
  return fitting.toSorted((a, b) => parametersIn(a.path) - parametersIn(b.path))[0]?.path;
}

function parametersIn(path: string): number {
  return path.split("{").length;
}

function segmentsOf(path: string): readonly string[] {
  return path.split("/").filter((part) => part !== "");
}
