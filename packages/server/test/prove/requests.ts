import type { KeyServer } from "../../src/startup/key-server.ts";

/** What one question was answered with. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Asks a server without a socket. */
export class Requests {
  readonly #server: KeyServer;
  #address = 0;

  constructor(server: KeyServer) {
    this.#server = server;
  }

  async ask(
    method: string,
    url: string,
    { token, body, accept }: { token?: string; body?: object; accept?: string } = {},
  ): Promise<Answer & { readonly headers: Readonly<Record<string, unknown>> }> {
    const answer = await this.#server.app.inject({
      method: method as "GET",
      url,
      // Each request from its own address: failed logins are counted there.
      remoteAddress: `10.0.${(this.#address >> 8) % 256}.${this.#address++ % 256}`,
      headers: {
        ...(token !== undefined && { "x-auth-token": token }),
        ...(body && { "content-type": "application/json" }),
        accept: accept ?? "application/json",
        "openstack-api-version": "key-manager 1.1",
      },
      ...(body && { payload: JSON.stringify(body) }),
    });
    const isJson = String(answer.headers["content-type"]).startsWith("application/json");
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: isJson ? (JSON.parse(answer.payload) as unknown) : answer.payload,
    };
  }

  /** @returns the path of the object that the answer refers to. @throws Error if the request is refused */
  async must(method: string, url: string, token: string, body?: object): Promise<string> {
    const answer = await this.ask(method, url, { token, ...(body && { body }) });
    if (answer.status >= 300)
      throw new Error(`${method} ${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
    const members = typeof answer.body === "object" ? Object.entries(answer.body ?? {}) : [];
    const ref = members.find(([name]) => name.endsWith("_ref"))?.[1] as string | undefined;
    return ref === undefined ? "" : new URL(ref).pathname;
  }

  logIn(name: string, password: string, project: string): ReturnType<Requests["ask"]> {
    const domain = { id: "default" };
    const identity = { methods: ["password"], password: { user: { name, domain, password } } };
    const scope = { project: { name: project, domain } };
    return this.ask("POST", "/v3/auth/tokens", { body: { auth: { identity, scope } } });
  }

  async tokenOf(name: string, password: string, project: string): Promise<string> {
    return String((await this.logIn(name, password, project)).headers["x-subject-token"]);
  }
}

/** The id in a path. */
export function lastOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
