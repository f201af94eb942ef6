import type { Principal } from "../model/principal.ts";
import type { Query } from "./query.ts";
import type { Refs } from "./refs.ts";

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One request, parsed as far as every handler needs it. */
export interface Call {
  readonly principal: Principal;
  /** Path parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The raw body; empty if there was none. */
  readonly body: Buffer;
  /** Minor version the client asked for: 0, 1 or 2. */
  readonly minorVersion: number;
  /** What a payload may have: its text in a JSON body, or the bytes of a body that is one. */
  readonly maxPayloadBytes: number;
  /** What any body may have; a longer one is refused before it is read. */
  readonly maxBodyBytes: number;
  readonly refs: Refs;
}

/** What goes back: JSON, bytes, or neither. */
export interface Reply {
  readonly status: number;
  readonly json?: unknown;
  readonly bytes?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Handler = (call: Call) => Reply | Promise<Reply>;

/** One path and what its methods do: the table of these is the whole surface behind identity. */
export interface Route {
  readonly path: string;
  readonly handlers: Readonly<Partial<Record<Method, Handler>>>;
  /** Asked before a wrong method is refused, because a missing object is 404 whatever the method. */
  readonly exists?: (call: Call) => Promise<unknown>;
  /** Its GET looks at Accept itself; every other GET answers in JSON, or with 406. */
  readonly negotiates?: boolean;
  /** A wrong method is refused without an Allow header, as Barbican does here. */
  readonly withoutAllow?: boolean;
}
