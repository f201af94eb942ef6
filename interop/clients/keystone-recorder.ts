import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/**
 * Stands where a Keystone would, under any path, and keeps what it is asked: every login fails with 401.
 *
 * `URL/NAME` is an address without a version, of which it lists `URL/NAME/v3/`.
 */
export class KeystoneRecorder {
  readonly url: string;
  readonly #server: Server;
  readonly #logins = new Map<string, unknown[]>();

  private constructor(server: Server) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    server.on("request", (request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<KeystoneRecorder> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new KeystoneRecorder(server);
  }

  /** Bodies of the logins below `URL/NAME` since the last call. */
  takeLogins(name: string): readonly unknown[] {
    const logins = this.#logins.get(name) ?? [];
    this.#logins.delete(name);
    return logins;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name = "", ...rest] = (request.url ?? "")
      .split("/")
      .filter((part, at) => at === 0 || part !== "");
    const body = await text(request);
    const send = (status: number, document: object) =>
      response
        .writeHead(status, { "content-type": "application/json" })
        .end(JSON.stringify(document));
    if (rest.join("/") === "v3/auth/tokens") {
      // Our client only looks up a token that it is to use with the scope that it has.
      const token = { id: request.headers["x-subject-token"] };
      const lookup = { auth: { identity: { methods: ["token"], token } } };
      const login: unknown = request.method === "POST" ? JSON.parse(body) : lookup;
      this.#logins.set(name, [...(this.#logins.get(name) ?? []), login]);
      send(401, { error: { code: 401, title: "Unauthorized", message: "no" } });
      return;
    }
    const links = [{ rel: "self", href: `${this.url}/${name}/v3/` }];
    const version = { id: "v3.14", status: "stable", links, "media-types": [] };
    if (rest[0] === "v3") send(200, { version });
    else send(300, { versions: { values: [version] } });
  }
}
