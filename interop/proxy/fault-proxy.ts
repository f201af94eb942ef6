import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** What happens to one request instead of the plain exchange. */
export type Fault =
  /** The server never hears of it; the connection is closed. */
  | { readonly type: "refuse" }
  /** The server never hears of it; this answer comes. */
  | { readonly type: "answer"; readonly reply: Reply }
  /** The server does what it was asked; the connection is closed without an answer. */
  | { readonly type: "lose_reply" }
  /** The server does what it was asked; this answer comes instead of its own. */
  | { readonly type: "replace_reply"; readonly reply: Reply }
  /** The server does what it was asked; its body stops half way. */
  | { readonly type: "truncate" }
  /** The server does what it was asked; nothing comes, and the connection stays open. */
  | { readonly type: "stall" };

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** One request that came through. */
export interface Exchange {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** What the server said; 0 if it was not asked. */
  readonly status: number;
  readonly fault: Fault["type"] | undefined;
}

/** Decides for each request, by its number since the last {@link FaultProxy.record}, counted from 0. */
export type Plan = (index: number, request: { method: string; path: string }) => Fault | undefined;

interface ServerReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * An HTTP proxy on loopback in front of one real server, which records what passes and breaks what it is told to.
 *
 * The server's own URL in bodies and `Location` becomes the proxy's, so that clients that follow references stay on it.
 */
export class FaultProxy {
  readonly #target: URL;
  readonly #server: Server;
  readonly #stalled = new Set<ServerResponse>();
  #exchanges: Exchange[] = [];
  #received = 0;
  #plan: Plan = () => undefined;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
      this.#serve(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  /** @param target origin of the real server, such as `http://127.0.0.1:9311` */
  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  /** Where to send requests instead of to the target. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Runs `action` while `plan` decides, and returns what passed in the meantime, in the order of arrival. */
  async record(
    action: () => Promise<unknown>,
    plan: Plan = () => undefined,
  ): Promise<readonly Exchange[]> {
    this.#exchanges = [];
    this.#received = 0;
    this.#plan = plan;
    try {
      await action();
      return this.#exchanges;
    } finally {
      this.#plan = () => undefined;
      for (const stalled of this.#stalled) stalled.destroy();
      this.#stalled.clear();
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const index = this.#received;
    this.#received += 1;
    const method = incoming.method ?? "GET";
    const path = incoming.url ?? "/";
    const fault = this.#plan(index, { method, path });
    const note = (status: number) => {
      this.#exchanges[index] = { method, path, status, fault: fault?.type };
    };
    note(0);
    const body = await collect(incoming);
    if (fault?.type === "refuse") {
      outgoing.destroy();
      return;
    }
    if (fault?.type === "answer") {
      send(outgoing, fault.reply);
      return;
    }
    const reply = await this.#forward(incoming, body);
    note(reply.status);
    switch (fault?.type) {
      case "lose_reply":
        outgoing.destroy();
        return;
      case "replace_reply":
        send(outgoing, fault.reply);
        return;
      case "stall":
        this.#stalled.add(outgoing);
        return;
      case "truncate":
        outgoing.writeHead(reply.status, reply.headers);
        outgoing.write(reply.body.subarray(0, reply.body.length / 2), () => outgoing.destroy());
        return;
      case undefined:
        outgoing.writeHead(reply.status, reply.headers);
        outgoing.end(reply.body);
        return;
    }
  }

  #forward(incoming: IncomingMessage, body: Buffer): Promise<ServerReply> {
    const url = new URL(incoming.url ?? "/", this.#target);
    const headers = { ...incoming.headers, host: this.#target.host };
    return new Promise((resolve, reject) => {
      const forwarded = request(url, { method: incoming.method, headers }, (response) => {
        collect(response)
          .then((answer) => resolve(this.#translated(response, answer)))
          .catch(reject);
      });
      forwarded.once("error", reject);
      forwarded.end(body);
    });
  }

  #translated(response: IncomingMessage, answer: Buffer): ServerReply {
    const status = response.statusCode ?? 502;
    const headers = { ...response.headers };
    delete headers["transfer-encoding"];
    delete headers.connection;
    if (headers.location !== undefined) headers.location = this.#ownLinks(headers.location);
    const isJson = headers["content-type"]?.includes("json") === true;
    const body = isJson ? Buffer.from(this.#ownLinks(answer.toString())) : answer;
    if (status !== 204 && status !== 304) headers["content-length"] = String(body.length);
    return { status, headers, body };
  }

  #ownLinks(text: string): string {
    return text.replaceAll(this.#target.origin, this.url);
  }
}

function send(outgoing: ServerResponse, { status, headers, body = "" }: Reply): void {
  outgoing.writeHead(status, { "content-length": String(Buffer.byteLength(body)), ...headers });
  outgoing.end(body);
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
