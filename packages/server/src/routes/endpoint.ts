import type { Query } from "./query.ts";

/*
 * The form of an HTTP interface as a table: which paths exist, which method does what, and who may ask. Nothing here
 * knows keys, policies or databases; a program names its own types in an `ApiTypes`.
 */

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One request, parsed as far as every action needs it. */
export interface WireRequest {
  /** Path parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The raw body; empty if there was none. */
  readonly body: Buffer;
  /** Maximum size of a payload: its text in a JSON body, or the bytes of a body that is one. */
  readonly maxPayloadBytes: number;
  /** Maximum size of any body; a longer one is refused before it is read. */
  readonly maxBodyBytes: number;
}

/** The answer to a request: JSON, bytes, or neither. */
export interface Reply {
  readonly status: number;
  readonly json?: unknown;
  readonly bytes?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The types that one program fills the table with. */
export interface ApiTypes {
  readonly request: WireRequest;
  /** Who makes a request, as identity knows them. */
  readonly caller: unknown;
  /** The names of access rules. */
  readonly rule: string;
  /** Kind of target → what the program loads for it. */
  readonly targets: object;
  /** Proof that the policy allowed an action. */
  readonly permit: unknown;
}

/**
 * What goes into the audit record besides refusals, which always do: nothing; the read, before its reply is sent; or the
 * write, in the transaction of the write itself.
 */
export type Audited = "refusals" | "read" | "write";

/** Which Content-Types an action accepts, and what the refusal of another one advises. */
export interface ContentTypes {
  readonly types: readonly string[];
  readonly advice: string;
}

/** What `run` gets once every check has passed. */
export interface Admitted<A extends ApiTypes, Target, Input> {
  readonly request: A["request"];
  readonly permit: A["permit"];
  readonly target: Target;
  readonly input: Input;
}

/**
 * What one method of one path does, and under which conditions. The dispatcher takes the members in this order: it loads
 * the target, asks the policy, checks the content type, parses, runs, and records.
 */
export interface Action<
  A extends ApiTypes,
  Kind extends keyof A["targets"] = keyof A["targets"],
  Input = unknown,
> {
  /** What is loaded before the policy is asked, and handed to `parse` and `run`. */
  readonly target: Kind;
  /** The access rule, which is also the action's name in the audit record; null if any authenticated caller may. */
  readonly rule: A["rule"] | null;
  /** The action's name in the refusal: "Secret retrieval". */
  readonly noun: string;
  readonly audit: Audited;
  /** Checked before `parse`. Default: any. */
  readonly accepts?: ContentTypes;
  /** Reads body and query. @throws WireError 400, 413, 415 */
  parse?(request: A["request"], target: A["targets"][Kind]): Input;
  /** Calls a service and renders what it returns; undefined if the client accepts no form of it. */
  run(admitted: Admitted<A, A["targets"][Kind], Input>): Reply | Promise<Reply | undefined>;
  /** Replaces the steps above where the request decides which action it is. */
  choose?(request: A["request"], steps: Steps<A>): Promise<Reply | undefined>;
}

/** What an action that chooses another one may do. */
export interface Steps<A extends ApiTypes> {
  load<Kind extends keyof A["targets"]>(kind: Kind): Promise<A["targets"][Kind]>;
  /** Takes all steps of an action from the policy on. */
  perform<Kind extends keyof A["targets"]>(
    action: Action<A, Kind>,
    target: A["targets"][Kind],
  ): Promise<Reply | undefined>;
}

/** One path and what its methods do. The table of these is the whole surface behind identity. */
export interface Endpoint<A extends ApiTypes> {
  readonly path: string;
  /** What the path names. Where it does not exist, every method is 404, also one that is not allowed. */
  readonly target: keyof A["targets"];
  readonly methods: Readonly<Partial<Record<Method, Action<A>>>>;
  /** Its GET looks at Accept itself; every other GET answers in JSON, or with 406. */
  readonly negotiates?: boolean;
  /** A wrong method is refused without an Allow header, as Barbican does here. */
  readonly withoutAllow?: boolean;
}

/** Who may do what, on what. Does the steps of the dispatcher that need the program's own knowledge. */
export interface Gate<A extends ApiTypes> {
  /** @throws WireError 404 */
  load<Kind extends keyof A["targets"]>(
    kind: Kind,
    request: A["request"],
    caller: A["caller"],
  ): Promise<A["targets"][Kind]>;

  /** Asks the policy, and records a refusal. @throws WireError 403 */
  permit<Kind extends keyof A["targets"]>(
    action: Pick<Action<A, Kind>, "target" | "rule" | "noun" | "audit">,
    caller: A["caller"],
    target: A["targets"][Kind],
  ): A["permit"] | Promise<A["permit"]>;

  /** Records a read. Its reply is sent only afterwards. */
  record(permit: A["permit"]): Promise<void>;
}
