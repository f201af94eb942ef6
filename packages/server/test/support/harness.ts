import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Identity } from "../../src/identity/identity.ts";
import { IdentityError } from "../../src/identity/identity-error.ts";
import type { Principal } from "../../src/model/principal.ts";
import { silentLogger } from "../../src/observe/log.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { RulePolicy } from "../../src/policy/rule-policy.ts";
import {
  createKeyServer,
  type KeyServer,
  type KeyServerParts,
} from "../../src/startup/key-server.ts";
import type { Store } from "../../src/store/store.ts";
import { assertDocumented } from "./api.ts";
import { openTestStore, testRootKeys } from "./test-store.ts";

/**
 * Tokens that say who one is: `user/project/role,role`. A double for identity alone,
 * whose own tests meet the real ones; everything behind it is real here.
 */
export const tokenIdentity: Identity = {
  wwwAuthenticateUri: "http://identity.test/v3",
  async authenticate({ token }, requestId): Promise<Principal> {
    const [userId, projectId, roles] = token?.split("/") ?? [];
    if (token === "away") throw new IdentityError("unavailable", "identity is away");
    if (token === "unscoped") throw new IdentityError("no_project", "no project");
    if (!userId || !projectId) throw new IdentityError("invalid_token", "unknown token");
    return { userId, projectId, roles: (roles ?? "member").split(","), requestId };
  },
  async close() {},
};

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly bytes: Buffer;
  /** The body as JSON. */
  readonly json: Record<string, unknown>;
}

export interface AskOptions {
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: object | string | Buffer;
  readonly version?: string;
}

export interface Harness {
  readonly server: KeyServer;
  readonly store: Store;
  readonly folder: string;
  /** A request without a socket, by default as a member of project `p`. Its answer must be as openapi.yaml has it. */
  readonly ask: (method: string, path: string, options?: AskOptions) => Promise<Answer>;
}

export { testRootKeys };
export const base = "http://keys.test:9311";

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-server-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A whole key server on a fresh SQLite file, taken down after the test. */
export async function startHarness(
  t: TestContext,
  parts: Partial<KeyServerParts> & { readonly policy?: Policy } = {},
): Promise<Harness> {
  const folder = temporaryFolder(t);
  const store = parts.store ?? (await openTestStore(t, folder, parts.rootKeys));
  const server = await createKeyServer({
    store,
    rootKeys: testRootKeys,
    identity: tokenIdentity,
    policy: new RulePolicy({}),
    log: silentLogger,
    publicUrl: base,
    // Fake pairs come when the test says so: no answer waits for one, unless the test is about that.
    ...(parts.keyPairs && { orderPatience: () => Promise.resolve() }),
    ...parts,
  });
  t.after(async () => {
    await server.close();
    if (!parts.store) await store.close();
  });
  return { server, store, folder, ask: asker(server) };
}

function asker(server: KeyServer): Harness["ask"] {
  return async (method, path, options = {}) => {
    const isObject = typeof options.body === "object" && !Buffer.isBuffer(options.body);
    const token = options.token === undefined ? "alice/p/member" : options.token;
    const answer = await server.app.inject({
      method: method as "GET",
      url: path,
      headers: {
        ...(token !== null && { "x-auth-token": token }),
        ...(isObject && { "content-type": "application/json" }),
        ...(options.version && { "openstack-api-version": `key-manager ${options.version}` }),
        ...options.headers,
      },
      ...(options.body !== undefined && {
        payload: isObject ? JSON.stringify(options.body) : options.body,
      }),
    });
    const seen: Answer = {
      status: answer.statusCode,
      headers: answer.headers,
      text: answer.payload,
      bytes: answer.rawPayload,
      get json() {
        return JSON.parse(answer.payload) as Record<string, unknown>;
      },
    };
    assertDocumented(method, path, seen);
    return seen;
  };
}

/** The id in a ref. */
export function idOf(ref: unknown): string {
  assert.equal(typeof ref, "string", "there is a ref");
  return String(ref).slice(String(ref).lastIndexOf("/") + 1);
}
