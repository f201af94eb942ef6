/** A real nginx that keeps what it may, before our server: what a request without a token gets from it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { waitFor } from "../host/wait-for.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";

/** Where an nginx listens that keeps every answer for ten minutes, unless the answer says that it may not. */
async function startCache(
  t: TestContext,
  { upstream, folder, more = "" }: { upstream: string; folder: string; more?: string },
): Promise<string> {
  const port = await freePort();
  const at = join(folder, "nginx");
  mkdirSync(at);
  const file = join(at, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${join(at, kind)};`,
  );
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${join(at, "pid")}; error_log ${join(at, "error.log")};
events {}
http {
  access_log off;
  ${temporary.join("\n  ")}
  proxy_cache_path ${join(at, "cache")} keys_zone=kept:1m;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${upstream};
      proxy_cache kept;
      proxy_cache_valid any 10m;
      add_header X-Cache $upstream_cache_status always;
      ${more}
    }
  }
}
`,
  );
  const child = spawn("/usr/sbin/nginx", ["-c", file, "-p", at, "-e", join(at, "error.log")], {
    stdio: "ignore",
  });
  t.after(async () => {
    child.kill("SIGQUIT");
    if (child.exitCode === null) await once(child, "exit");
  });
  const url = `http://127.0.0.1:${port}`;
  await waitFor("nginx", 20, () =>
    fetch(`${url}/healthcheck`).then(
      ({ ok }) => ok || undefined,
      () => undefined,
    ),
  );
  return url;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function startServer(t: TestContext) {
  const folder = new ServerFolder();
  const server = await KeyServerProcess.start(folder);
  t.after(async () => {
    await server.stop();
    folder.remove();
  });
  const user = { name: "admin", domain: { id: "default" }, password: folder.adminPassword() };
  const project = { name: "admin", domain: { id: "default" } };
  const login = {
    auth: { identity: { methods: ["password"], password: { user } }, scope: { project } },
  };
  return { server, folder, login };
}

const json = { "content-type": "application/json" };

for (const [name, more] of [
  ["that obeys Cache-Control", ""],
  ["that was told to ignore Cache-Control", "proxy_ignore_headers Cache-Control Expires;"],
] as const)
  describe(`an nginx ${name}`, () => {
    it("does not hand a payload, a list or a token to a request without a token", async (t) => {
      const { server, folder, login } = await startServer(t);
      const url = await startCache(t, { upstream: server.url, folder: folder.path, more });
      const issued = await fetch(`${url}/v3/auth/tokens`, {
        method: "POST",
        headers: json,
        body: JSON.stringify(login),
      });
      assert.equal(issued.status, 201, await issued.text());
      const token = issued.headers.get("x-subject-token") ?? "";
      const headers = { "x-auth-token": token };
      const made = await fetch(`${url}/v1/secrets`, {
        method: "POST",
        headers: { ...headers, ...json },
        body: JSON.stringify({ payload: "the payload", payload_content_type: "text/plain" }),
      });
      const { secret_ref: ref } = (await made.json()) as { secret_ref: string };
      const path = new URL(ref).pathname;
      for (const [at, own] of [
        [`${path}/payload`, { accept: "text/plain" }],
        [path, {}],
        [`${path}/metadata`, {}],
        ["/v1/secrets", {}],
        ["/v1/quotas", {}],
        ["/v3/auth/tokens", { "x-subject-token": token }],
        ["/v3/auth/projects", {}],
        ["/v3/users", {}],
      ] as const) {
        // Twice, for what nginx keeps only of what is asked for again.
        for (let round = 0; round < 2; round++) {
          const mine = await fetch(url + at, { headers: { ...headers, ...own } });
          assert.equal(mine.status, 200, at);
          await mine.text();
        }
        const strange = await fetch(url + at, { headers: { ...own } });
        assert.equal(strange.status, 401, `${at}: ${strange.headers.get("x-cache")}`);
        assert.doesNotMatch(await strange.text(), /the payload/);
        // A refusal is not kept either.
        const again = await fetch(url + at, { headers: { ...headers, ...own } });
        assert.equal(again.status, 200, at);
        await again.text();
      }
      const left = await fetch(`${url}/v1/nothing`, { headers });
      assert.equal(left.status, 404);
    });
  });

describe("an nginx that keeps what it may", () => {
  it("keeps nothing of ours at all", async (t) => {
    const { server, folder } = await startServer(t);
    const url = await startCache(t, { upstream: server.url, folder: folder.path });
    for (const path of ["/", "/healthcheck", "/v1", "/nothing", "/chatelaine/v1/openapi.json"])
      for (let round = 0; round < 3; round++) {
        const answer = await fetch(url + path, { redirect: "manual" });
        await answer.text();
        assert.equal(answer.headers.get("x-cache"), "MISS", path);
      }
  });
});
