import assert from "node:assert/strict";
import type {
  BuiltinIdentityOptions,
  IdentityEvent,
} from "../../src/identity/builtin/builtin-options.ts";
import type { IdentityStore } from "../../src/identity/builtin/identity-store.ts";
import type { ApiResponse } from "../../src/identity/builtin/keystone-api/route.ts";
import {
  type BuiltinIdentityService,
  openBuiltinIdentity,
} from "../../src/identity/builtin/open-builtin-identity.ts";
import { targetFor } from "../support/target.ts";
import { MemoryIdentityStore } from "./memory-identity-store.ts";

/** Passwords of the scene's users. */
export const password = "correct horse battery staple";

/** Built-in identity with users alice (member), root (admin) and nova (service) on project vault; and mallory, with nothing. */
export class BuiltinScene {
  readonly service: BuiltinIdentityService;
  readonly events: IdentityEvent[] = [];
  readonly deletedProjects: string[] = [];
  readonly ids: Record<string, string> = {};
  nowMs = Date.parse("2026-11-23T12:00:00Z");

  private constructor(store: IdentityStore, options: Partial<BuiltinIdentityOptions>) {
    this.service = openBuiltinIdentity({
      store,
      publicUrl: "http://keys.example:9311",
      tokenCacheSeconds: 0,
      nowMs: () => this.nowMs,
      audit: async (event) => void this.events.push(event),
      eraseProject: async (id) => void this.deletedProjects.push(id),
      ...options,
      passwords: { insecureCostLog2: 4, ...options.passwords },
    });
  }

  /** Another node on a store that a scene has been opened on. */
  static join(options: Partial<BuiltinIdentityOptions>, store: IdentityStore): BuiltinScene {
    return new BuiltinScene(store, options);
  }

  static async open(
    options: Partial<BuiltinIdentityOptions> = {},
    store: IdentityStore = new MemoryIdentityStore(),
  ): Promise<BuiltinScene> {
    const scene = new BuiltinScene(store, options);
    const { administration } = scene.service;
    for (const name of ["vault", "other"]) {
      scene.ids[name] = (await administration.createProject({ name })).id;
    }
    for (const [name, role] of [
      ["alice", "member"],
      ["root", "admin"],
      ["nova", "service"],
      ["mallory", undefined],
    ] as const) {
      scene.ids[name] = (await administration.createUser({ name, password })).id;
      if (role) await administration.grantRole(name, "vault", role);
    }
    return scene;
  }

  id(name: string): string {
    const id = this.ids[name];
    assert.ok(id, name);
    return id;
  }

  /** A call of the Keystone API. */
  async call(
    method: string,
    path: string,
    options: {
      token?: string;
      subjectToken?: string;
      body?: unknown;
      address?: string;
    } = {},
  ): Promise<ApiResponse & { document: Record<string, unknown> }> {
    const body = options.body === undefined ? "" : JSON.stringify(options.body);
    const response = await this.service.api.handle({
      method,
      target: targetFor(path, method),
      token: options.token,
      subjectToken: options.subjectToken,
      body: new TextEncoder().encode(typeof options.body === "string" ? options.body : body),
      address: options.address ?? "192.0.2.1",
      requestId: "req-1",
    });
    const document = (
      response.headers["content-type"] === "application/json" && response.body !== ""
        ? JSON.parse(response.body)
        : {}
    ) as Record<string, unknown>;
    return { ...response, document };
  }

  /** The body of a login with a password. */
  passwordBody(user: string, secret = password, project?: string): object {
    return {
      auth: {
        identity: {
          methods: ["password"],
          password: { user: { name: user, domain: { id: "default" }, password: secret } },
        },
        ...(project !== undefined && {
          scope: { project: { name: project, domain: { name: "Default" } } },
        }),
      },
    };
  }

  /** Logs in; the login must succeed. */
  async token(user: string, project: string | null = "vault"): Promise<string> {
    const body = this.passwordBody(user, password, project ?? undefined);
    return await this.tokenFor(body);
  }

  async tokenFor(body: object): Promise<string> {
    const response = await this.call("POST", "/v3/auth/tokens", { body });
    assert.equal(response.status, 201, response.body);
    return response.headers["x-subject-token"] ?? "";
  }

  /** Makes an application credential of alice's, and logs in with it. */
  async applicationCredentialToken(request: object = {}): Promise<string> {
    this.#made += 1;
    const made = await this.call("POST", `/v3/users/${this.id("alice")}/application_credentials`, {
      token: await this.token("alice"),
      body: { application_credential: { name: `ac-${this.#made}`, ...request } },
    });
    assert.equal(made.status, 201, made.body);
    const { id, secret } = made.document["application_credential"] as {
      id: string;
      secret: string;
    };
    const identity = {
      methods: ["application_credential"],
      application_credential: { id, secret },
    };
    return await this.tokenFor({ auth: { identity } });
  }
  #made = 0;
}
