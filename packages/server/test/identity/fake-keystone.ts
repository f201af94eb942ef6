import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A token that the fake knows, as its answer names it. */
export interface FakeToken {
  readonly expiresAt?: string;
  readonly roles?: readonly string[];
  readonly projectId?: string | null;
  readonly accessRules?: readonly object[];
}

type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * A Keystone of which a test says how it fails. What a healthy one does is
 * tested against a real one in the interop suite.
 */
export class FakeKeystone {
  readonly tokens = new Map<string, FakeToken>();
  readonly requests: { method: string; url: string; headers: IncomingMessage["headers"] }[] = [];
  /** Answers instead of the fake, if it returns true. */
  fault: Fault = () => false;
  /** Held before every answer. */
  gate: Promise<void> = Promise.resolve();
  logins = 0;
  ownToken = "";
  ownExpiresAt = "2099-01-01T00:00:00.000000Z";
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /** How often it was asked about a token. */
  get validations(): number {
    return this.requests.filter(({ method }) => method === "GET").length;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    this.requests.push({ method, url, headers });
    const body = await text(request);
    await this.gate;
    if (this.fault(request, response)) return;
    if (method === "POST") {
      const { auth } = JSON.parse(body) as { auth: { identity: { password: { user: object } } } };
      const { password } = auth.identity.password.user as { password?: string };
      if (password !== "right") return send(response, 401, {});
      this.logins += 1;
      this.ownToken = `own-${this.logins}`;
      response.setHeader("x-subject-token", this.ownToken);
      return send(response, 201, document({ expiresAt: this.ownExpiresAt }));
    }
    if (headers["x-auth-token"] !== this.ownToken) return send(response, 401, {});
    const known = this.tokens.get(String(headers["x-subject-token"]));
    return known ? send(response, 200, document(known)) : send(response, 404, {});
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function document(token: FakeToken): object {
  const { projectId = "p1", roles = ["member"], accessRules } = token;
  return {
    token: {
      user: { id: "u1", name: "alice", domain: { id: "default" } },
      ...(projectId !== null && { project: { id: projectId, domain: { id: "default" } } }),
      roles: roles.map((name) => ({ name, id: `id-of-${name}` })),
      expires_at: token.expiresAt ?? "2099-01-01T00:00:00.000000Z",
      ...(accessRules && { application_credential: { id: "ac", access_rules: accessRules } }),
    },
  };
}
