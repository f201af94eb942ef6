/** In characters, percent escapes included. The longest path that means something has about 800. */
export const maxPathLength = 2_048;

/** The deepest path that means something has seven. */
export const maxSegments = 32;

/**
 * The target of a request, parsed once. The router, access rules, the log and the form of errors all read this, so that
 * none of them can see another path than the others.
 *
 * Only {@link parseRequestTarget} makes one.
 */
export class RequestTarget {
  /**
   * The path in its one canonical form: no empty segment, no `.` or `..`, no slash at the end, percent escapes only where
   * RFC 3986 needs them, in upper case. `/` for the root.
   */
  get path(): string {
    return this.#path;
  }

  // Private members make the type nominal: an object with the same getters is not a target.
  readonly #path: string;
  readonly #query: string;

  private constructor(path: string, query: string) {
    this.#path = path;
    this.#query = query;
  }

  /** What follows `?`, as it was sent; empty for none. */
  get query(): string {
    return this.#query;
  }

  /** What the router is given: path and query. */
  get url(): string {
    return this.query === "" ? this.path : `${this.path}?${this.query}`;
  }

  /** The parts of the path, decoded; none for the root. None is empty or has a slash, backslash or control character. */
  get segments(): readonly string[] {
    if (this.path === "/") return [];
    const parts = this.path.slice(1).split("/");
    return this.path.includes("%") ? parts.map(decodeURIComponent) : parts;
  }

  /** True if this is under `/v3`, whose errors have Keystone's form. */
  get isIdentity(): boolean {
    return isUnder("/v3", this.path);
  }

  /** True if this is behind identity: under `/v1`. */
  get isKeyManager(): boolean {
    return isUnder("/v1", this.path);
  }

  /** Parses the target of a request line; see {@link parseRequestTarget}. */
  static parse(text: string, method: string): RequestTarget | MalformedTarget {
    if (text === "*" && method === "OPTIONS") return new RequestTarget("/", "");
    const origin = /^https?:\/\//i.test(text) ? originForm(text) : text;
    if (origin === undefined) return malformed(text, "its authority is not a host and port");
    if (!origin.startsWith("/")) return malformed(text, "it is neither a path nor a URL");
    const question = origin.indexOf("?");
    const path = question < 0 ? origin : origin.slice(0, question);
    const query = question < 0 ? "" : origin.slice(question + 1);
    if (path.length > maxPathLength)
      return malformed(text, `its path is longer than ${maxPathLength} characters`, 414);
    if (notInQuery.test(query)) return malformed(text, "its query has a # or a control character");
    if (plain.test(path)) return bounded(text, new RequestTarget(path, query));
    const canonical = canonicalPath(path);
    if (canonical.type === "malformed") return malformed(text, canonical.reason);
    return bounded(text, new RequestTarget(canonical.path, query));
  }
}

/** A target that different readers may read differently, or that has no meaning at all. The request gets `status`. */
export class MalformedTarget {
  readonly status: 400 | 414;
  /** Why, for the caller and the log; nothing of the target is in it. */
  readonly reason: string;
  /** True if the request looks like one for identity, whose errors have Keystone's form. */
  readonly isIdentity: boolean;

  constructor(status: 400 | 414, reason: string, isIdentity: boolean) {
    this.status = status;
    this.reason = reason;
    this.isIdentity = isIdentity;
  }
}

/**
 * Parses the target of a request line in origin form (`/v1/secrets?limit=1`), absolute form
 * (`http://host/v1/secrets`, whose authority is ignored), or, for OPTIONS, asterisk form. RFC 9112, section 3.2.
 *
 * Refuses what two programs could read differently: `#`, `\`, `;`, `.` and `..` segments, characters outside RFC 3986,
 * percent escapes that are invalid, not UTF-8, or stand for a slash, a backslash or a control character; and a path that
 * is too long or has too many segments. Empty segments are dropped. Linear in the length of `text`.
 */
export function parseRequestTarget(text: string, method: string): RequestTarget | MalformedTarget {
  return RequestTarget.parse(text, method);
}

/** Nearly every path. Segments cannot begin with a slash, so this has one way to match only. */
const plain = /^(?:\/[\w~-]+)+$/;
/** RFC 3986's `pchar` and the slash, less `;`, which some programs cut off. */
const inPath = /^[\w.~!$&'()*+,=:@%/-]*$/;
const notInQuery = /[\0-\x20\x7f#]/;
/** Userinfo is refused: RFC 9110, section 4.2.4. */
const absolute = /^https?:\/\/[\w.~:[\]-]+(?=[/?]|$)/i;

function originForm(text: string): string | undefined {
  const start = absolute.exec(text)?.[0];
  if (start === undefined) return undefined;
  const rest = text.slice(start.length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

type Canonical =
  | { readonly type: "path"; readonly path: string }
  | { readonly type: "malformed"; readonly reason: string };

function canonicalPath(path: string): Canonical {
  if (!inPath.test(path)) return bad("its path has a character that must be percent-encoded");
  const segments: string[] = [];
  for (const part of path.split("/")) {
    if (part === "") continue;
    const segment = decoded(part);
    if (segment === undefined) return bad("its path has an invalid percent escape");
    if (segment === "." || segment === "..") return bad("its path has a segment . or ..");
    if (/[/\\\p{Cc}]/u.test(segment))
      return bad("its path has an encoded slash, backslash or control character");
    segments.push(encoded(segment));
  }
  return { type: "path", path: `/${segments.join("/")}` };
}

function bad(reason: string): Canonical {
  return { type: "malformed", reason };
}

function decoded(part: string): string | undefined {
  if (!part.includes("%")) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** Escapes what RFC 3986 does not allow in a segment, and `;`. */
function encoded(segment: string): string {
  return encodeURIComponent(segment).replaceAll(/%(?:24|26|2B|2C|3A|3D|40)/g, decodeURIComponent);
}

function bounded(text: string, target: RequestTarget): RequestTarget | MalformedTarget {
  let segments = 0;
  for (let at = target.path.indexOf("/"); at >= 0; at = target.path.indexOf("/", at + 1))
    segments++;
  return segments <= maxSegments
    ? target
    : malformed(text, `its path has more than ${maxSegments} segments`);
}

function malformed(text: string, reason: string, status: 400 | 414 = 400): MalformedTarget {
  return new MalformedTarget(status, reason, isIdentityPath(text));
}

/** True if the first segment is `v3`, in whatever form the target is: a refused one still gets the error of its API. */
function isIdentityPath(text: string): boolean {
  const path = text.replace(/^https?:\/\/[^/?]*/i, "");
  const first = /^\/{1,64}([^/?]*)/.exec(path)?.[1];
  return first !== undefined && decoded(first) === "v3";
}

function isUnder(prefix: string, path: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}
