import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { MalformedTarget, parseRequestTarget } from "../../model/request-target.ts";
import type { AccessRule } from "../access-rules.ts";
import type { AskedFor, Identity, IdentityHeaders } from "../identity.ts";
import type { IdentityErrorCode } from "../identity-error.ts";

/** An identity with a service behind it that issues tokens. */
export interface IdentityScene {
  /** Its cache must be off, so that what the service does is seen at once. */
  readonly identity: Identity;
  /** The user whose tokens {@link token} issues, and the project they are scoped to. */
  readonly userId: string;
  readonly userName: string;
  readonly projectId: string;
  /** A token of a user who has exactly this role on the project, implied ones aside. */
  token(role: "admin" | "member" | "service"): Promise<string>;
  /** A token of the user's for no project. */
  unscopedToken(): Promise<string>;
  /** Ends a token. */
  revoke(token: string): Promise<void>;
  /** A token of an application credential of the user's, with the role `member`. */
  applicationCredentialToken(accessRules?: readonly AccessRule[]): Promise<string>;
  /** Makes the identity believe that time has gone on. */
  advance(seconds: number): void;
  /** How long tokens live. */
  readonly tokenSeconds: number;
  /** Called once at the end. */
  close(): Promise<void>;
}

/** What every kind of identity promises. One that cannot keep a promise does not ship. */
export function identityPromises(name: string, open: () => Promise<IdentityScene>): void {
  describe(`${name} keeps the promises of an identity`, () => {
    let scene: IdentityScene;
    before(async () => {
      scene = await open();
    });
    after(() => scene.close());

    const ask = (headers: IdentityHeaders, askedFor?: AskedFor) =>
      scene.identity.authenticate(headers, "req-promise", askedFor);

    async function refuses(
      code: IdentityErrorCode,
      headers: IdentityHeaders,
      askedFor?: AskedFor,
    ): Promise<void> {
      await assert.rejects(ask(headers, askedFor), (error: Error & { code?: unknown }) => {
        assert.equal(error.name, "IdentityError");
        assert.equal(error.code, code, error.message);
        for (const secret of [headers.token, headers.serviceToken]) {
          if (secret) assert.ok(!error.message.includes(secret), "the message holds a token");
        }
        return true;
      });
    }

    it("tells user, project and roles of a token", async () => {
      const principal = await ask({ token: await scene.token("member") });
      assert.equal(principal.userId, scene.userId);
      assert.equal(principal.userName, scene.userName);
      assert.equal(principal.projectId, scene.projectId);
      assert.equal(principal.domainId, "default");
      assert.equal(principal.requestId, "req-promise");
      assert.equal(principal.serviceRoles, undefined);
      assert.ok(principal.roles.includes("member"));
      assert.ok(!principal.roles.includes("admin"));
    });

    it("tells the roles of each token apart", async () => {
      const [admin, member] = [await scene.token("admin"), await scene.token("member")];
      for (const [token, isAdmin] of [
        [admin, true],
        [member, false],
        [admin, true],
      ] as const) {
        assert.equal((await ask({ token })).roles.includes("admin"), isAdmin);
      }
    });

    it("answers the same for many who ask at the same time", async () => {
      const token = await scene.token("member");
      const principals = await Promise.all(Array.from({ length: 20 }, () => ask({ token })));
      for (const principal of principals) assert.equal(principal.userId, scene.userId);
    });

    it("refuses a request without a token, and what is no token", async () => {
      await refuses("invalid_token", {});
      for (const token of [
        "",
        "nobody-issued-this",
        "gAAAAABnobodyissuedthis",
        "x".repeat(3_500),
        "x".repeat(60_000),
        "a b",
        "a\nb",
        "\u0000",
        "tökén",
        "../../v3/users",
        "?allow_expired=1",
      ]) {
        await refuses("invalid_token", { token });
      }
    });

    it("refuses a token with one letter changed, added or taken away", async () => {
      const token = await scene.token("member");
      const middle = Math.floor(token.length / 2);
      const other = token[middle] === "A" ? "B" : "A";
      const changed = token.slice(0, middle) + other + token.slice(middle + 1);
      for (const wrong of [changed, `${token}A`, token.slice(0, -3), token.slice(3)]) {
        await refuses("invalid_token", { token: wrong });
      }
      await ask({ token });
    });

    it("refuses a token that is not scoped to a project, and says why", async () => {
      await refuses("no_project", { token: await scene.unscopedToken() });
    });

    it("refuses a token once it is revoked", async () => {
      const token = await scene.token("member");
      await ask({ token });
      await scene.revoke(token);
      await refuses("invalid_token", { token });
    });

    it("brings a service's roles along with the user's", async () => {
      const headers = {
        token: await scene.token("member"),
        serviceToken: await scene.token("service"),
      };
      const principal = await ask(headers);
      assert.ok(principal.serviceRoles?.includes("service"));
      assert.ok(!principal.roles.includes("service"));
      assert.equal(principal.userId, scene.userId);
    });

    it("refuses a service token that is none", async () => {
      const token = await scene.token("member");
      await refuses("invalid_token", { token, serviceToken: "nobody-issued-this" });
      await refuses("invalid_token", { token, serviceToken: await scene.token("admin") });
      await refuses("invalid_token", { serviceToken: await scene.token("service") });
    });

    it("takes the token of an application credential", async () => {
      const principal = await ask({ token: await scene.applicationCredentialToken() });
      assert.equal(principal.projectId, scene.projectId);
      assert.ok(principal.roles.includes("member"));
      assert.ok(!principal.roles.includes("admin"));
    });

    it("keeps to an application credential's access rules", async () => {
      const token = await scene.applicationCredentialToken([
        { service: "key-manager", method: "GET", path: "/v1/secrets/**" },
      ]);
      await ask({ token }, asked("GET", "/v1/secrets/1/payload"));
      await refuses("invalid_token", { token }, asked("DELETE", "/v1/secrets/1"));
      await refuses("invalid_token", { token }, asked("GET", "/v1/orders"));
      await refuses("invalid_token", { token });
    });

    it("names the address where to get a token", () => {
      assert.match(scene.identity.wwwAuthenticateUri, /^https?:\/\/[^ ]+\/v3$/);
    });

    // The last: time does not go back.
    it("refuses a token once it has expired", async () => {
      const token = await scene.token("member");
      await ask({ token });
      scene.advance(scene.tokenSeconds + 1);
      await refuses("invalid_token", { token });
    });
  });
}

function asked(method: string, path: string): AskedFor {
  const target = parseRequestTarget(path, method);
  assert.ok(!(target instanceof MalformedTarget), path);
  return { method, target };
}
