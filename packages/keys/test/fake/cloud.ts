import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  BarbicanKeyManager,
  type BarbicanOptions,
  type KeystoneCaller,
  type KeystoneOptions,
  keystoneCaller,
} from "../../src/index.ts";
import { FakeBarbican } from "./barbican.ts";
import { FakeKeystone } from "./keystone.ts";

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly json?: unknown;
  readonly bytes?: Uint8Array | undefined;
}

/** A request as a service saw it. */
export interface Seen {
  readonly service: "keystone" | "barbican";
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** A number for each connection. */
  readonly connection: number;
}

/**
 * What goes wrong with one request.
 * `drop`: the connection is closed instead of an answer; `hang`: no answer ever comes;
 * `truncate`: the connection is closed in the middle of the answer. With `takesEffect`
 * the service does what was asked nevertheless.
 */
export type Fault =
  | (Reply & { readonly type: "reply"; readonly takesEffect?: boolean })
  | { readonly type: "drop" | "hang" | "truncate"; readonly takesEffect?: boolean };

interface ArmedFault {
  readonly match: RegExp;
  readonly fault: Fault;
  times: number;
}

/**
 * A small Keystone and Barbican in memory behind real sockets, for the faults
 * that real ones cannot show on demand. It passes the conformance suite
 * (fake.test.ts), so what is tried on it is no fantasy.
 */
export class FakeCloud {
  readonly keystone: FakeKeystone;
  readonly barbican: FakeBarbican;
  readonly seen: Seen[] = [];
  readonly warnings: string[] = [];
  /** Called with each request before it is handled: a place to abort or to delete in the middle. */
  onRequest: (seen: Seen) => void | Promise<void> = () => {};
  readonly #servers: Server[] = [];
  readonly #faults: ArmedFault[] = [];
  #connections = 0;
  #prefix = "";

  private constructor() {
    this.keystone = new FakeKeystone();
    this.barbican = new FakeBarbican((token) => this.keystone.identify(token));
  }

  /** @param options.prefix a path before Barbican's, such as `/key-manager`. */
  static async start(options: { readonly prefix?: string } = {}): Promise<FakeCloud> {
    const cloud = new FakeCloud();
    cloud.#prefix = options.prefix ?? "";
    const keystoneUrl = await cloud.#listen("keystone", (seen) => cloud.keystone.handle(seen));
    const barbicanUrl = await cloud.#listen("barbican", (seen) =>
      seen.path.startsWith(cloud.#prefix)
        ? cloud.barbican.handle({ ...seen, path: seen.path.slice(cloud.#prefix.length) })
        : { status: 404, bytes: Buffer.from("<h1>no such place</h1>") },
    );
    cloud.keystone.authUrl = `${keystoneUrl}/v3`;
    cloud.keystone.endpoint = barbicanUrl + cloud.#prefix;
    return cloud;
  }

  get authUrl(): string {
    return this.keystone.authUrl;
  }

  get endpoint(): string {
    return this.keystone.endpoint;
  }

  /** A key manager that waits for nothing and keeps its warnings here. */
  manager(options: BarbicanOptions = {}): BarbicanKeyManager {
    return new BarbicanKeyManager({
      sleep: async () => {},
      random: () => 0,
      warn: (message) => this.warnings.push(message),
      ...options,
    });
  }

  caller(options: KeystoneOptions = {}): KeystoneCaller {
    return keystoneCaller({
      authUrl: this.authUrl,
      username: "alice",
      password: "alice's password",
      projectName: "a",
      ...options,
    });
  }

  /** Another project's user. */
  bob(): KeystoneCaller {
    return this.caller({ username: "bob", password: "bob's password", projectName: "b" });
  }

  /** Lets the next requests that match (`POST /v1/orders`) go wrong. */
  fail(match: RegExp, fault: Fault, times = 1): void {
    this.#faults.push({ match, fault, times });
  }

  /** Back to a service without faults and without objects. */
  reset(): void {
    this.#faults.length = 0;
    this.seen.length = 0;
    this.warnings.length = 0;
    this.onRequest = () => {};
    this.barbican.reset();
    this.keystone.reset();
  }

  /** `POST /v1/orders` for each request to Barbican since the last time, ids as `:id`, without version discovery. */
  takeCalls(): string[] {
    const calls = this.seen
      .splice(0)
      .filter(({ service, path }) => service === "barbican" && path !== `${this.#prefix}/`)
      .map(({ method, path }) => `${method} ${path.slice(this.#prefix.length)}`);
    return calls.map((call) =>
      call.replace(/\?.*/, "").replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ":id"),
    );
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #listen(service: Seen["service"], handle: (seen: Seen) => Reply): Promise<string> {
    const connections = new WeakMap<object, number>();
    const server = createServer((request, response) => {
      const connection = connections.get(request.socket) ?? ++this.#connections;
      connections.set(request.socket, connection);
      this.#answer(service, connection, handle, request, response).catch((error: unknown) => {
        response.destroy(error as Error);
      });
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async #answer(
    service: Seen["service"],
    connection: number,
    handle: (seen: Seen) => Reply,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const seen: Seen = {
      service,
      method: request.method ?? "",
      path: request.url ?? "",
      headers: request.headers as Record<string, string>,
      body: Buffer.concat(chunks),
      connection,
    };
    this.seen.push(seen);
    const fault = this.#faultFor(seen);
    await this.onRequest(seen);
    const reply = fault === undefined || fault.takesEffect === true ? handle(seen) : undefined;
    switch (fault?.type) {
      case "hang":
        return;
      case "drop":
        response.destroy();
        return;
      case "truncate":
        response.writeHead(reply?.status ?? 200, {
          "content-type": "application/json",
          "content-length": "1000",
        });
        response.write(`{"half":`, () => response.destroy());
        return;
      case "reply":
        send(response, fault);
        return;
      case undefined:
        send(response, reply ?? { status: 500 });
    }
  }

  #faultFor({ method, path }: Seen): Fault | undefined {
    const armed = this.#faults.find(
      ({ match, times }) => times > 0 && match.test(`${method} ${path}`),
    );
    if (armed === undefined) return undefined;
    armed.times -= 1;
    return armed.fault;
  }
}

function send(response: ServerResponse, { status, headers, json, bytes }: Reply): void {
  const body = bytes ?? (json === undefined ? undefined : Buffer.from(JSON.stringify(json)));
  response.writeHead(status, {
    ...(json !== undefined && { "content-type": "application/json" }),
    ...headers,
  });
  response.end(body);
}
