import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { BarbicanKeyManager, keystoneCaller } from "@chatelaine/keys";
import { keepsTheKeyManagerPromises } from "@chatelaine/keys/conformance";
import { openstack, openstackJson, runOpenstack } from "../clients/openstack.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";

/** As an operator has it after the first start: a clouds.yaml, and nothing else. */
class OwnServer {
  readonly cloudsFile: string;
  readonly admin: Record<string, string>;
  readonly #process: KeyServerProcess;
  readonly #folder: ServerFolder;

  private constructor(process: KeyServerProcess, folder: ServerFolder) {
    this.cloudsFile = join(folder.path, "clouds.yaml");
    this.admin = { OS_CLIENT_CONFIG_FILE: this.cloudsFile, OS_CLOUD: "chatelaine" };
    this.#process = process;
    this.#folder = folder;
  }

  static async start(): Promise<OwnServer> {
    const folder = new ServerFolder();
    const server = new OwnServer(await KeyServerProcess.start(folder), folder);
    await populate(server.admin);
    return server;
  }

  get url(): string {
    return this.#process.url;
  }

  /** The `OS_*` variables of a user. */
  environment({ username, password, projectName }: typeof alice): Record<string, string> {
    return {
      OS_AUTH_TYPE: "password",
      OS_AUTH_URL: `${this.url}/v3`,
      OS_IDENTITY_API_VERSION: "3",
      OS_USERNAME: username,
      OS_PASSWORD: password,
      OS_USER_DOMAIN_NAME: "Default",
      OS_PROJECT_NAME: projectName,
      OS_PROJECT_DOMAIN_NAME: "Default",
      OS_REGION_NAME: "RegionOne",
    };
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    this.#folder.remove();
  }
}

let server: OwnServer;
const alice = { username: "alice", password: "correct horse", projectName: "vault" };
const bob = { username: "bob", password: "battery staple", projectName: "lab" };

/** Makes users with Debian's own command, as an operator would. */
async function populate(environment: Record<string, string>): Promise<void> {
  for (const { username, password, projectName } of [alice, bob]) {
    await openstack(environment, "project", "create", projectName);
    await openstack(environment, "user", "create", "--password", password, username);
    const to = ["--user", username, "--project", projectName];
    await openstack(environment, "role", "add", ...to, "member");
  }
}

describe("our server with identity of its own", () => {
  before(async () => {
    server = await OwnServer.start();
  });
  after(() => server.stop());

  it("has a clouds.yaml for its owner's eyes, with which openstack works", async () => {
    assert.equal(statSync(server.cloudsFile).mode & 0o777, 0o600);
    const catalog = await openstackJson<{ Type: string }[]>(server.admin, "catalog", "list");
    assert.deepEqual(catalog.map(({ Type }) => Type).toSorted(), ["identity", "key-manager"]);
  });

  it("keeps projects apart", async () => {
    const stored = await openstackJson<Record<string, string>>(
      server.environment(alice),
      "secret",
      "store",
      "--payload",
      "alice's own",
    );
    const ref = stored["Secret href"] ?? "";
    const read = await runOpenstack(server.environment(bob), ["secret", "get", ref, "--payload"]);
    assert.notEqual(read.status, 0);
    assert.match(read.stderr, /Forbidden/);
    assert.ok(!read.stdout.includes("alice's own"));
    await openstack(server.environment(alice), "secret", "delete", ref);
  });

  it("refuses a wrong password, an unknown user and a project without a role, in the same words", async () => {
    const attempts = [
      { ...alice, password: "wrong" },
      { ...alice, username: "nobody" },
      { ...alice, projectName: "lab" },
      { ...alice, projectName: "nowhere" },
    ];
    const said = new Set<string>();
    for (const login of attempts) {
      const result = await runOpenstack(server.environment(login), ["token", "issue"]);
      assert.notEqual(result.status, 0);
      said.add(result.stderr.replace(/\(Request-ID: [^)]*\)/, "").trim());
    }
    assert.equal(said.size, 1, [...said].join("\n"));
    assert.match([...said][0] ?? "", /HTTP 401/);
  });

  it("takes an application credential that openstack made, until openstack deletes it", async () => {
    const env = server.environment(alice);
    const made = await openstackJson<Record<string, string>>(
      env,
      "application",
      "credential",
      "create",
      "--role",
      "member",
      "ci",
    );
    const credential = {
      OS_AUTH_TYPE: "v3applicationcredential",
      OS_AUTH_URL: `${server.url}/v3`,
      OS_APPLICATION_CREDENTIAL_ID: made["id"] ?? "",
      OS_APPLICATION_CREDENTIAL_SECRET: made["secret"] ?? "",
    };
    await openstack(credential, "secret", "list");
    await openstack(env, "application", "credential", "delete", "ci");
    const gone = await runOpenstack(credential, ["secret", "list"]);
    assert.match(gone.stderr, /HTTP 401/);
  });

  it("ends a token that openstack revokes", async () => {
    const env = server.environment(alice);
    const { id } = await openstackJson<{ id: string }>(env, "token", "issue");
    const withToken = { headers: { "x-auth-token": id } };
    assert.equal((await fetch(`${server.url}/v1/secrets`, withToken)).status, 200);
    await openstack(env, "token", "revoke", id);
    assert.equal((await fetch(`${server.url}/v1/secrets`, withToken)).status, 401);
  });

  it("lets a user change the password, and an admin take the role away, with openstack", async () => {
    await openstack(server.admin, "user", "create", "--password", "first", "carol");
    await openstack(server.admin, "role", "add", "--user", "carol", "--project", "vault", "reader");
    const [first, second] = ["first", "second"].map((password) =>
      server.environment({ username: "carol", password, projectName: "vault" }),
    );
    assert.ok(first && second);
    const passwords = ["--original-password", "first", "--password", "second"];
    await openstack(first, "user", "password", "set", ...passwords);
    assert.notEqual((await runOpenstack(first, ["token", "issue"])).status, 0);
    await openstack(second, "token", "issue");
    const assigned = await openstack(
      server.admin,
      "role",
      "assignment",
      "list",
      "--names",
      "-f",
      "csv",
    );
    assert.match(assigned, /"reader","carol@Default"/);
    await openstack(
      server.admin,
      "role",
      "remove",
      "--user",
      "carol",
      "--project",
      "vault",
      "reader",
    );
    assert.notEqual((await runOpenstack(second, ["token", "issue"])).status, 0);
    await openstack(server.admin, "user", "delete", "carol");
  });
});

keepsTheKeyManagerPromises("our server with identity of its own, on SQLite,", async () => {
  const own = await OwnServer.start();
  const caller = (login: typeof alice) => keystoneCaller({ authUrl: `${own.url}/v3`, ...login });
  const user = await openstackJson<{ id: string }>(own.admin, "user", "show", "bob");
  return {
    manager: new BarbicanKeyManager({ region: "RegionOne" }),
    alice: caller(alice),
    bob: caller(bob),
    bobUserId: user.id,
    close: () => own.stop(),
  };
});
