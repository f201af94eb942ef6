import { KeystoneApi } from "../../src/identity/builtin/keystone-api/keystone-api.ts";
import { operations } from "./api.ts";

/** A request as far as it is text, and its body. */
export interface OddRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Who asks, and what there is. */
export interface Known {
  readonly tokens: readonly string[];
  readonly ids: readonly string[];
}

/** Numbers from 0 to 1 that are the same for the same seed. (mulberry32) */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Pick = <T>(choices: readonly [T, ...T[]]) => T;

function picker(random: () => number): Pick {
  return (choices) => choices[Math.floor(random() * choices.length)] ?? choices[0];
}

const routes: readonly (readonly [string, string])[] = [
  ...operations.map(({ method, path }) => [method, path] as const),
  ...KeystoneApi.routes.map(
    ({ method, path }) => [method, path.replaceAll(/:(\w+)/g, "{$1}")] as const,
  ),
  ...["/", "/v1", "/v2", "/v3/x", "/v1/x", "/nowhere", "/metrics"].flatMap((path) =>
    ["GET", "POST", "PROPFIND", "OPTIONS"].map((method) => [method, path] as const),
  ),
];

/** What somebody without a token can ask for that costs most; it comes every tenth time. */
const logIn = ["POST", "/v3/auth/tokens"] as const;

/** So many requests, and each route has been asked once. */
export const roundLength = routes.length * 2;

const json = ["application/json", "application/json", "application/json"] as const;
const kib = 1_024;
/** Below the 32 KiB that a request's head may have. */
const longHeader = 30 * kib;
/** The longest path that is served. */
const longPath = 2_000;

/** One of the oddest and largest requests that the limits let through; a `number` gives each route its turn. */
export function oddRequest(number: number, random: () => number, known: Known): OddRequest {
  const pick = picker(random);
  const [method = "GET", pattern = "/"] =
    number % 10 === 0 ? logIn : (routes[number % routes.length] ?? []);
  const [id = "x", ...otherIds] = known.ids;
  const spare = longPath - pattern.length;
  const part = pick([
    id,
    ...otherIds,
    "x".repeat(spare / 4),
    "%25".repeat(spare / 12),
    "%F0%9F%92%A5".repeat(spare / 48),
    "a/".repeat(12) + "a",
    "00000000-0000-4000-8000-000000000000",
    "__proto__",
  ]);
  const path = pattern.replaceAll(/\{\w+\}/g, part);
  // One part at a time is as long as it may be, because the head of a request has one limit for all.
  const big = pick(["query", "header", "token", "body", "body", "nothing"] as const);
  const query = big === "query" ? `?${pick(queries(number))}` : pick(["", "", "?limit=1", "?a"]);
  const token =
    big === "token"
      ? pick(["t".repeat(longHeader), "t".repeat(3_072), `${"t".repeat(3_000)}${number}`])
      : pick([undefined, `invented-${number}`, ...known.tokens]);
  const header = big === "header" ? pick(headers(number)) : {};
  const body = method === "GET" ? "" : bodyOf(path, number, big === "body", pick);
  return {
    method,
    path: path + query,
    headers: {
      ...(token !== undefined && { "x-auth-token": token }),
      // Not to be revoked, or all that follows would be 401.
      ...(token !== undefined && method !== "DELETE" && { "x-subject-token": token }),
      "content-type": pick([...json, "text/plain", "*/*"]),
      ...header,
    },
    body: Buffer.from(body),
  };
}

function queries(number: number): readonly [string, ...string[]] {
  return [
    "a=1&".repeat(longHeader / 4),
    "limit=1&".repeat(longHeader / 8),
    "&".repeat(longHeader),
    `name=${"%25".repeat(longHeader / 3)}`,
    `name=${"%25a".repeat(longHeader / 4)}`,
    `name=n${number}${"_".repeat(longHeader / 2)}`,
    `created=${"gt:,".repeat(longHeader / 4)}`,
    `created=gt:${" ".repeat(20)}${"%20".repeat(longHeader / 4)}`,
    `sort=${"name:asc,".repeat(longHeader / 9)}`,
    `offset=${"9".repeat(longHeader)}`,
    `limit=${"+".repeat(longHeader)}1`,
    `${"k".repeat(longHeader)}=1`,
    `bits=${number}&alg=${number}&mode=${number}&name=${number}&sort=mode:desc,bit_length`,
  ];
}

function headers(number: number): readonly [Record<string, string>, ...Record<string, string>[]] {
  const many = Object.fromEntries(
    Array.from({ length: 1_500 }, (_, i) => [`x-${number % 50}-${i}`, "v"]),
  );
  return [
    many,
    { accept: "a/b;q=0.1,".repeat(longHeader / 10) },
    { accept: ",".repeat(longHeader) },
    { accept: `a;${" ".repeat(longHeader / 2)};q=` },
    { "content-type": `text/plain;${" ".repeat(longHeader)}x` },
    { "content-type": "a".repeat(longHeader) },
    { "content-encoding": "base64".repeat(longHeader / 6) },
    { "openstack-api-version": "key-manager 1.2,".repeat(longHeader / 16) },
    { "openstack-api-version": `key-manager ${" ".repeat(longHeader)}1` },
    { "x-forwarded-for": "192.0.2.1,".repeat(longHeader / 10) },
    { forwarded: "for=192.0.2.1;".repeat(longHeader / 14) },
    { "x-service-token": "s".repeat(longHeader) },
    { "x-openstack-request-id": "r".repeat(longHeader) },
    { "user-agent": "u".repeat(longHeader) },
    { cookie: "c=1;".repeat(longHeader / 4) },
    { "if-none-match": '"e",'.repeat(longHeader / 4) },
  ];
}

function bodyOf(path: string, number: number, big: boolean, pick: Pick): string {
  if (path.startsWith("/v3/auth/tokens")) return loginBody(number, pick);
  // The identity interface takes 64 KiB, the rest a mebibyte, of which JSON may have 25,000 bytes.
  const most = path.startsWith("/v3")
    ? 64 * kib
    : pick([25_000, 25_000, 25_000, 20_000, kib * kib]);
  const size = big ? most : 300;
  const text = (length: number) => `${number}-${"t".repeat(length)}`.slice(0, length);
  return pick([
    JSON.stringify({
      name: text(200),
      payload: text(size / 2),
      payload_content_type: "text/plain",
    }),
    JSON.stringify({ name: text(size - 12) }),
    `{"name":"n${number}","${text(size - 40)}":1}`,
    "[".repeat(size),
    `${"[".repeat(size / 2 - 2)}${"]".repeat(size / 2 - 2)}`,
    `${'{"a":'.repeat(size / 6)}1${"}".repeat(size / 6)}`,
    `[${"1,".repeat(size / 2 - 4)}1]`,
    `{"bit_length":${"9".repeat(size - 20)}}`,
    `"${"\\u0041".repeat(size / 6 - 2)}"`,
    `{${Array.from({ length: size / 16 }, (_, i) => `"k${number % 10}${i}":1`).join(",")}}`.slice(
      0,
      size,
    ),
    `{"__proto__":{"x":${number}},"metadata":{"${text(size / 2)}":"v"}}`,
    JSON.stringify({
      type: "generic",
      name: text(200),
      secret_refs: Array.from({ length: size / 60 }, () => ({ name: text(20), secret_ref: "x" })),
    }),
    JSON.stringify({ type: "key", meta: { algorithm: "aes", bit_length: 256, name: text(200) } }),
    JSON.stringify({ service: "s", resource_type: "r", resource_id: text(200) }),
    text(size),
    " ".repeat(size),
    "",
  ]);
}

/** A request to log in, as a stranger sends it. */
export function oddLogin(number: number, random: () => number): OddRequest {
  const [method, path] = logIn;
  const body = Buffer.from(loginBody(number, picker(random)));
  return { method, path, headers: { "content-type": "application/json" }, body };
}

/** One text is as long as the body may be, or each as long as a name may be. */
function loginBody(number: number, pick: Pick): string {
  const parts = ["user", "domain", "password", "project", "token", "credential", "none"] as const;
  const longPart = pick(parts);
  const text = (part: (typeof parts)[number], short: string) =>
    part === longPart ? `${number}-`.padEnd(64 * kib - 600, "n") : short;
  const name = text("user", pick(["bob", `nobody-${number}`, `${number}-`.padEnd(255, "n")]));
  const domain = pick([{ id: "default" }, { name: text("domain", "Default") }]);
  const user = { name, domain, password: text("password", `wrong-${number}`) };
  const credential = text("credential", `credential-${number}`);
  const identity = pick<object>([
    { methods: ["password"], password: { user } },
    { methods: ["password"], password: { user: { id: name, password: "wrong" } } },
    { methods: ["token"], token: { id: text("token", `invented-${number}`) } },
    {
      methods: ["application_credential"],
      application_credential: { id: credential, secret: "wrong" },
    },
    {
      methods: ["application_credential"],
      application_credential: { name: credential, user, secret: "wrong" },
    },
  ]);
  const project = { id: text("project", "vault") };
  return JSON.stringify({ auth: { identity, scope: pick([undefined, { project }]) } });
}

/** Texts that no HTTP client would send; the connection is closed after each. */
export const rawRequests: readonly string[] = [
  "",
  "\r\n\r\n",
  "GET / HTTP/9.9\r\n\r\n",
  `GET /${"x".repeat(40_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(40_000)}\r\n\r\n`,
  "GET /v1/secrets#x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  "GET http://other/v1/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  "GET /v1/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  "GET /v1/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  "GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  "BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
  "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
  "POST /v1/secrets HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\nConnection: close\r\n\r\n",
  "POST /v1/secrets HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
  "POST /v3/auth/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
  "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: close, Upgrade\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];
