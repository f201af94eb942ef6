import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { KeystoneApi } from "../src/identity/builtin/keystone-api/keystone-api.ts";
import { openApi, operations } from "./support/api.ts";
import { login, startBuiltinHarness } from "./support/builtin-harness.ts";
import { startHarness } from "./support/harness.ts";

/** `GET /v1/secrets/{}`: the name of a parameter is nobody's business. */
const nameOf = (method: string, path: string) =>
  `${method} ${path.replaceAll(/:\w+|\{\w+\}/g, "{}")}`;

const documented = operations.map(({ method, path }) => nameOf(method, path)).toSorted();

/** Paths outside `/v1` and `/v3`, as the router has them. */
function publicPaths(tree: string): readonly string[] {
  const parents: string[] = [];
  const found: string[] = [];
  for (const line of tree.split("\n")) {
    const match = /^([│├└─ ]*)(\S+)(?: \((.*)\))?$/.exec(line);
    if (!match) continue;
    const depth = (match[1] ?? "").length / 4;
    parents.length = Math.max(0, depth - 1);
    parents.push(match[2] ?? "");
    const path = parents.join("");
    if (match[3] !== undefined && !/^\/v[13](\/|$)|^\*|\*$/.test(path)) found.push(path);
  }
  return found;
}

describe("openapi.yaml", () => {
  it("is a valid document of OpenAPI 3.1", async () => {
    const validator = new Validator({ strict: false });
    const { valid, errors } = await validator.validate({ ...structuredClone(openApi) });
    assert.ok(valid, JSON.stringify(errors, null, 2));
    assert.equal(validator.version, "3.1");
  });

  it("has every route that the server has, and no other", async (t) => {
    const { server } = await startBuiltinHarness(t);
    const routed = [
      ...server.endpoints.flatMap(({ path, methods }) =>
        Object.keys(methods).map((method) => nameOf(method, path)),
      ),
      ...KeystoneApi.routes.map(({ method, path }) => nameOf(method, path)),
      ...publicPaths(server.app.printRoutes({ commonPrefix: false })).map((path) =>
        nameOf("GET", path),
      ),
    ];
    assert.deepEqual(documented, routed.toSorted());
  });

  it("has the policy rule of each operation, as the row of its endpoint has it", async (t) => {
    const { server } = await startBuiltinHarness(t);
    const asked = server.endpoints.flatMap(({ path, methods }) =>
      Object.entries(methods).flatMap(([method, { rule }]) =>
        rule === null ? [] : [`${nameOf(method, path)} ${rule}`],
      ),
    );
    const written = operations.flatMap(({ method, path, rule }) =>
      rule === undefined ? [] : [`${nameOf(method, path)} ${rule}`],
    );
    assert.deepEqual(asked.toSorted(), written.toSorted());
  });

  it("says of each operation a name of its own, and who may", () => {
    const all = Object.values(openApi.paths).flatMap((item) => Object.values(item));
    const ids = all.flatMap((one) => ("operationId" in one ? [one.operationId] : []));
    assert.equal(ids.length, operations.length);
    assert.equal(new Set(ids).size, ids.length);
    for (const { path, method, rule } of operations)
      assert.equal(rule !== undefined, /^\/v1\/./.test(path), `${method} ${path}`);
    const access = operations.flatMap((one) =>
      one.access === undefined ? [] : [`${nameOf(one.method, one.path)} ${one.access}`],
    );
    assert.deepEqual(
      access.toSorted(),
      KeystoneApi.routes.map((one) => `${nameOf(one.method, one.path)} ${one.access}`).toSorted(),
    );
  });

  it("is served, to anybody, less what the server does not have", async (t) => {
    const path = "/chatelaine/v1/openapi.json";
    const builtin = await startBuiltinHarness(t);
    const whole = (await builtin.ask("GET", path, { token: null })).json;
    assert.deepEqual(whole, { ...openApi, servers: [{ url: "http://keys.test:9311" }] });
    const { ask } = await startHarness(t, { serveMetrics: false });
    const answer = await ask("GET", path, { token: null });
    const paths = Object.keys(answer.json["paths"] as object);
    const there = Object.keys(openApi.paths).filter((one) => !/^\/(v3|metrics)/.test(one));
    assert.deepEqual(paths, there);
  });

  it("describes what identity answers", async (t) => {
    // Every answer of a harness is held against the document: this is to have answers of each kind.
    const { ask, administration } = await startBuiltinHarness(t);
    await administration.grantRole("alice", "vault", "admin");
    const logged = await ask("POST", "/v3/auth/tokens", { body: login("secret"), token: null });
    assert.equal(logged.status, 201);
    const token = String(logged.headers["x-subject-token"]);
    const subject = { "x-subject-token": token };
    const user = (logged.json["token"] as { user: { id: string } }).user.id;
    const [project] = await administration.listProjects();
    const made = await ask("POST", `/v3/users/${user}/application_credentials`, {
      token,
      body: {
        application_credential: {
          name: "backup",
          access_rules: [{ service: "key-manager", method: "GET", path: "/v1/secrets" }],
          expires_at: "2999-01-01T00:00:00",
        },
      },
    });
    const { id: credential } = made.json["application_credential"] as { id: string };
    const roles = (await ask("GET", "/v3/roles", { token })).json["roles"] as { id: string }[];
    const role = roles[0]?.id;
    const grant = `/v3/projects/${project?.id}/users/${user}/roles/${role}`;
    const asked: readonly (readonly [number, string, string, object?])[] = [
      [200, "GET", "/v3"],
      [200, "GET", "/v3/auth/tokens"],
      [200, "HEAD", "/v3/auth/tokens"],
      [200, "GET", "/v3/auth/catalog"],
      [200, "GET", "/v3/auth/projects"],
      [200, "GET", "/v3/auth/domains"],
      [200, "GET", "/v3/users"],
      [201, "POST", "/v3/users", { user: { name: "bob", password: "correct horse" } }],
      [409, "POST", "/v3/users", { user: { name: "bob", password: "correct horse" } }],
      [400, "POST", "/v3/users", { user: {} }],
      [200, "GET", `/v3/users/${user}`],
      [200, "PATCH", `/v3/users/${user}`, { user: { enabled: true } }],
      [404, "GET", "/v3/users/nobody"],
      [200, "GET", `/v3/users/${user}/projects`],
      [200, "GET", `/v3/users/${user}/application_credentials`],
      [200, "GET", `/v3/users/${user}/application_credentials/${credential}`],
      [200, "GET", "/v3/projects"],
      [201, "POST", "/v3/projects", { project: { name: "lab" } }],
      [200, "GET", `/v3/projects/${project?.id}`],
      [200, "PATCH", `/v3/projects/${project?.id}`, { project: { enabled: true } }],
      [200, "GET", "/v3/roles"],
      [200, "GET", `/v3/roles/${role}`],
      [200, "GET", "/v3/role_assignments?include_names"],
      [204, "PUT", grant],
      [204, "GET", grant],
      [204, "DELETE", grant],
      [200, "GET", "/v3/domains"],
      [200, "GET", "/v3/domains/default"],
      [404, "GET", "/v3/domains/other"],
      [405, "PUT", "/v3/domains"],
      [401, "POST", "/v3/auth/tokens", login("wrong")],
      [400, "POST", "/v3/auth/tokens", {}],
      [204, "DELETE", `/v3/users/${user}/application_credentials/${credential}`],
      [
        204,
        "POST",
        `/v3/users/${user}/password`,
        { user: { password: "another horse", original_password: "secret" } },
      ],
      [401, "GET", "/v3/users"],
    ];
    // Granting and taking roles ends no token here; a change of the user does.
    let now = token;
    for (const [status, method, path, body] of asked) {
      const answer = await ask(method, path, {
        token: now,
        headers: { ...subject, "x-subject-token": now },
        ...(body && { body }),
      });
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      if (method !== "PATCH") continue;
      const again = await ask("POST", "/v3/auth/tokens", { body: login("secret"), token: null });
      now = String(again.headers["x-subject-token"]);
    }
  });
});
