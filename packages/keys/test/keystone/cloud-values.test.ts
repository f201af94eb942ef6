import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { stringify } from "yaml";
import { type CloudSettings, cloudFromFiles, settingsFromEnvironment } from "../../src/index.ts";
import { refuses } from "../refuses.ts";

const user = { auth_url: "http://k:5000", username: "alice", password: "a long password" };

function userAndScope(settings: CloudSettings): unknown {
  const { caller } = settings;
  assert.ok(caller.type === "password");
  return { user: caller.user, scope: caller.scope };
}

const alice = (domain: object) => ({ name: "alice", domain });
const project = (domain: object, name = "p") => ({ type: "project", name, domain });
const inDefault = { id: "default" };

describe("a cloud of clouds.yaml is read as openstacksdk reads it:", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "chatelaine-cloud-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function write(path: string, content: object): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), stringify(content));
  }

  function read(cloud: object, region?: string): CloudSettings {
    write("work/clouds.yaml", { clouds: { one: cloud } });
    const places = { workingDirectory: join(root, "work"), homeDirectory: join(root, "home") };
    return cloudFromFiles({ cloud: "one", environment: {}, region, ...places });
  }

  for (const [label, cloud, expected] of [
    [
      "a lone domain_name is the domain of user and project",
      { auth: { ...user, project_name: "p", domain_name: "D" } },
      { user: alice({ name: "D" }), scope: project({ name: "D" }) },
    ],
    [
      "a lone domain_id is, too",
      { auth: { ...user, project_name: "p", domain_id: "d" } },
      { user: alice({ id: "d" }), scope: project({ id: "d" }) },
    ],
    [
      "a domain beside auth counts as one within",
      { domain_name: "D", auth: { ...user, project_name: "p" } },
      { user: alice({ name: "D" }), scope: project({ name: "D" }) },
    ],
    [
      "user and project keep domains of their own",
      {
        auth: {
          ...user,
          project_name: "p",
          domain_name: "D",
          user_domain_name: "U",
          project_domain_name: "P",
        },
      },
      { user: alice({ name: "U" }), scope: project({ name: "P" }) },
    ],
    [
      "default_domain_name is where no other domain is named",
      { auth: { ...user, project_name: "p", default_domain_name: "D", user_domain_name: "U" } },
      { user: alice({ name: "U" }), scope: project({ name: "D" }) },
    ],
    [
      "a domain without a project is the scope",
      { auth: { ...user, domain_name: "D" } },
      { user: alice(inDefault), scope: { type: "domain", domain: { name: "D" } } },
    ],
    [
      "tenant_name is project_name",
      { auth: { ...user, tenant_name: "p" } },
      { user: alice(inDefault), scope: project(inDefault) },
    ],
    [
      "tenant-name is, too",
      { auth: { ...user, "tenant-name": "p" } },
      { user: alice(inDefault), scope: project(inDefault) },
    ],
    [
      "tenant_id is project_id",
      { auth: { ...user, tenant_id: "i" } },
      { user: alice(inDefault), scope: { type: "project", id: "i" } },
    ],
    [
      "dashes are underscores",
      {
        auth: {
          "auth-url": user.auth_url,
          username: "alice",
          password: user.password,
          "project-name": "p",
          "user-domain-name": "U",
          "project-domain-name": "P",
        },
      },
      { user: alice({ name: "U" }), scope: project({ name: "P" }) },
    ],
    [
      "project_name counts more than tenant_name, wherever they are",
      { project_name: "new", auth: { ...user, tenant_name: "old" } },
      { user: alice(inDefault), scope: project(inDefault, "new") },
    ],
    [
      "credentials may stand beside auth, and count less there",
      { ...user, username: "bob", project_name: "p", auth: { username: "alice" } },
      { user: alice(inDefault), scope: project(inDefault) },
    ],
    [
      "user_name is an older name, and auth_plugin says nothing, because openstacksdk has a default for auth_type",
      {
        auth_plugin: "v2password",
        auth: {
          auth_url: user.auth_url,
          user_name: "alice",
          password: user.password,
          project_name: "p",
        },
      },
      { user: alice(inDefault), scope: project(inDefault) },
    ],
  ] as const) {
    it(label, () => assert.deepEqual(userAndScope(read(cloud)), expected));
  }

  for (const [label, cloud, code, message] of [
    [
      "a misspelled option of auth",
      { auth: { ...user, projct_name: "p" } },
      "invalid_argument",
      /cloud "one" of .*clouds\.yaml: auth has no option "projct_name": did you mean "project_name"\?/,
    ],
    [
      "an option of auth that belongs beside it",
      { auth: { ...user, project_name: "p", region_name: "one" } },
      "invalid_argument",
      /auth has no option "region_name"/,
    ],
    [
      "a project beside auth under a name that nothing reads",
      { project: "p", auth: user },
      "invalid_argument",
      /no project is named, and "project" is not an option: it is one of project_id, project_name, /,
    ],
    [
      "one name in two spellings that differ",
      { auth: { ...user, project_name: "p", "project-name": "q" } },
      "invalid_argument",
      /"project_name" is given with - and with _, and they differ/,
    ],
    [
      "a value that is a list",
      { auth: { ...user, project_name: ["p"] } },
      "invalid_argument",
      /cloud "one": auth: project_name must be one text/,
    ],
    [
      "a scope of the whole system",
      { auth: { ...user, system_scope: "all" } },
      "unsupported",
      /system_scope is not supported: a key manager serves tokens of a project/,
    ],
    [
      "an application credential with a project",
      {
        auth_type: "v3applicationcredential",
        auth: {
          auth_url: user.auth_url,
          application_credential_id: "i",
          application_credential_secret: "s",
          tenant_name: "p",
        },
      },
      "invalid_argument",
      /an application credential has the project that it was made for: leave out project_name/,
    ],
    [
      "a placeholder that nothing fills in",
      { auth: { ...user, auth_url: "https://{region}.k:5000" } },
      "invalid_argument",
      /auth_url has the placeholder \{region\}, and nothing replaces it/,
    ],
  ] as const) {
    it(`refuses ${label}`, async () => {
      await refuses(() => read(cloud), code, message, [user.password]);
    });
  }

  it("the key manager's own region, interface and endpoint count more", () => {
    const settings = read({
      auth: user,
      region_name: "one",
      interface: "public",
      key_manager_region_name: "two",
      key_manager_endpoint_type: "internalURL",
      key_manager_endpoint: "https://{region_name}.keys",
    });
    assert.deepEqual(
      [settings.region, settings.interface, settings.endpoint],
      ["two", "internal", "https://one.keys"],
    );
  });

  it("~ in the name of a certificate's file is the home directory", () => {
    const { tls } = read({ auth: user, cacert: "~/ca.pem", cert: "/etc/~/c.pem" });
    assert.deepEqual(
      [tls.caFile, tls.certificateFile],
      [join(root, "home/ca.pem"), "/etc/~/c.pem"],
    );
  });

  it("of several regions the first one counts, or the one that is asked for, with what it has otherwise", async () => {
    const cloud = {
      auth: { ...user, auth_url: "https://{region_name}.k:5000", project_name: "p" },
      regions: ["east", { name: "west", values: { auth: { project_name: "q" } } }],
    };
    const seen = (region?: string) => {
      const { caller, region: name } = read(cloud, region);
      assert.ok(caller.type === "password" && "name" in caller.scope);
      return [name, caller.authUrl, caller.scope.name];
    };
    assert.deepEqual(seen(), ["east", "https://east.k:5000/v3", "p"]);
    assert.deepEqual(seen("west"), ["west", "https://west.k:5000/v3", "q"]);
    await refuses(() => seen("wst"), "invalid_argument", /no region "wst": did you mean "west"\?/);
    assert.equal(read({ auth: user, region_name: "east,west" }).region, "east");
    assert.equal(read({ auth: user, "region-name": "east" }, "west").region, "west");
    await refuses(
      () => read({ auth: user, regions: [{ name: "a", value: {} }] }),
      "invalid_argument",
      /a region is a name, or has name and values alone/,
    );
  });

  it("a vendor's profile comes from clouds-public.yaml", () => {
    write("home/.config/openstack/clouds-public.yaml", {
      "public-clouds": {
        vendor: { auth: { auth_url: "https://{region_name}.v:5000" }, region_name: "v1" },
      },
    });
    const { auth_url: _, ...login } = user;
    for (const name of ["profile", "cloud"]) {
      const settings = read({ [name]: "vendor", auth: login });
      assert.equal(settings.region, "v1");
      assert.ok(settings.caller.type === "password");
      assert.equal(settings.caller.authUrl, "https://v1.v:5000/v3");
    }
  });

  it("a cloud may be in secure.yaml alone", () => {
    write("work/secure.yaml", { clouds: { two: { auth: user } } });
    const places = { workingDirectory: join(root, "work"), homeDirectory: join(root, "home") };
    const alone = cloudFromFiles({ cloud: "two", environment: {}, ...places });
    assert.equal(alone.caller.type, "password");
    write("work/clouds.yaml", { clouds: { one: { auth: user } } });
    assert.equal(cloudFromFiles({ cloud: "two", ...places }).caller.type, "password");
  });
});

describe("OS_* variables are read as openstacksdk reads them:", () => {
  const openrc = { OS_AUTH_URL: "http://k:5000", OS_USERNAME: "alice", OS_PASSWORD: "pw" };

  it("a lone OS_DOMAIN_NAME is the domain of user and project", () => {
    const { caller } = settingsFromEnvironment({
      ...openrc,
      OS_TENANT_NAME: "p",
      OS_DOMAIN_NAME: "D",
    });
    assert.ok(caller.type === "password");
    assert.deepEqual(caller.user, { name: "alice", domain: { name: "D" } });
    assert.deepEqual(caller.scope, { type: "project", name: "p", domain: { name: "D" } });
  });

  it("OS_AUTH_TOKEN and OS_USER_NAME are older names", () => {
    assert.equal(settingsFromEnvironment({ OS_AUTH_TOKEN: "t" }).caller.type, "token");
    const { OS_USERNAME, ...others } = openrc;
    const old = { ...others, OS_USER_NAME: OS_USERNAME };
    assert.equal(settingsFromEnvironment(old).caller.type, "password");
  });

  it("a project under a name that nothing reads is named", async () => {
    await refuses(
      () => settingsFromEnvironment({ ...openrc, OS_PROJCT_NAME: "p" }),
      "invalid_argument",
      /no project is named, and "projct_name" is not an option: did you mean "project_name"\?/,
      ["pw"],
    );
  });
});
