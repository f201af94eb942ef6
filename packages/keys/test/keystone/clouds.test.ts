import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { cloudFromFiles, settingsFromEnvironment } from "../../src/index.ts";
import { refuses } from "../refuses.ts";

const auth = (username: string) =>
  `auth: {auth_url: "http://k:5000", username: ${username}, password: pw, project_name: p}`;
const cloudsYaml = (username: string) => `clouds:\n  one:\n    ${auth(username)}\n`;

describe("clouds.yaml", () => {
  let root: string;
  let environment: Record<string, string>;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "chatelaine-clouds-"));
    environment = {};
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function write(path: string, text: string): string {
    const whole = join(root, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
    return whole;
  }

  function read(cloud = "one") {
    return cloudFromFiles({
      cloud,
      environment,
      workingDirectory: join(root, "work"),
      homeDirectory: join(root, "home"),
    });
  }

  function userName(cloud = "one"): string {
    const { caller } = read(cloud);
    assert.ok(caller.type === "password" && "name" in caller.user);
    return caller.user.name;
  }

  it("is looked for in the working directory, then in the user's configuration", () => {
    write("home/.config/openstack/clouds.yaml", cloudsYaml("home"));
    assert.equal(userName(), "home");
    environment["XDG_CONFIG_HOME"] = join(root, "xdg");
    write("xdg/openstack/clouds.yml", cloudsYaml("xdg"));
    assert.equal(userName(), "xdg");
    write("work/clouds.yaml", cloudsYaml("work"));
    assert.equal(userName(), "work");
    environment["OS_CLIENT_CONFIG_FILE"] = write("elsewhere.yaml", cloudsYaml("named"));
    assert.equal(userName(), "named");
  });

  it("may be JSON", () => {
    write(
      "work/clouds.json",
      JSON.stringify({
        clouds: { one: { auth: { auth_url: "http://k", username: "json", password: "x" } } },
      }),
    );
    assert.equal(userName(), "json");
  });

  it("is found by OS_CLOUD", () => {
    write("work/clouds.yaml", cloudsYaml("alice"));
    const directories = { working: join(root, "work"), home: join(root, "home") };
    const { caller } = settingsFromEnvironment({ OS_CLOUD: "one" }, directories);
    assert.ok(caller.type === "password");
  });

  it("names every place where it was looked for", async () => {
    await refuses(
      () => read(),
      "invalid_argument",
      /no clouds\.yaml found; looked for .*work\/clouds\.yaml, .*\.config\/openstack\/clouds\.yml, .*\/etc\/openstack/,
    );
  });

  it("takes its secrets from secure.yaml", () => {
    write(
      "work/clouds.yaml",
      "clouds: {one: {auth: {auth_url: http://k, username: alice, password: old}}}",
    );
    write(
      "home/.config/openstack/secure.yaml",
      "clouds: {one: {auth: {password: from-secure}}, two: {}}",
    );
    const { caller } = read();
    assert.ok(caller.type === "password");
    assert.equal(
      caller.password.useText((text) => text),
      "from-secure",
    );
    environment["OS_CLIENT_SECURE_FILE"] = write(
      "s.yaml",
      "clouds: {one: {auth: {password: named}}}",
    );
    const again = read().caller;
    assert.equal(again.type === "password" && again.password.useText((text) => text), "named");
  });

  it("keeps a password of digits, or of YAML's words, as it is written", () => {
    for (const [written, password] of [
      ["0123", "0123"],
      ["1e5", "1e5"],
      ["12345678901234567890", "12345678901234567890"],
      ["yes", "yes"],
      ["0x10", "0x10"],
      ['"null"', "null"],
      ["'~'", "~"],
      ['"with: colon # and hash"', "with: colon # and hash"],
    ] as const) {
      write(
        "work/clouds.yaml",
        `clouds: {one: {auth: {auth_url: http://k, username: a, password: ${written}}}}`,
      );
      const { caller } = read();
      assert.equal(caller.type === "password" && caller.password.useText((text) => text), password);
    }
  });

  const alice = "auth_url: http://k, username: a, password: hidden-pw";

  it("has no project where YAML says null, in any of its spellings", () => {
    for (const nothing of ["null", "Null", "NULL", "~", ""]) {
      write("work/clouds.yaml", `clouds: {one: {auth: {${alice}, project_name: ${nothing}}}}`);
      const { caller } = read();
      assert.equal(caller.type === "password" && caller.scope.type, "unscoped");
    }
  });

  it("says which line is wrong, and quotes nothing of it", () => {
    for (const [text, reason] of [
      [
        "clouds:\n  one:\n    auth: {password: !vault hidden-pw}\n",
        /a value has a tag that is not supported: see line 3$/,
      ],
      [`clouds:\n  one: {}\n  one: {auth: {${alice}}}\n`, /a name is given twice: see line 3$/],
      [`clouds: {one: {auth: {${alice}}\n`, /not valid YAML: see line \d$/],
      ["clouds: {one: {auth: {password: *hidden-pw}}}", /not valid YAML: an alias leads nowhere/],
    ] as const) {
      write("work/clouds.yaml", text);
      assert.throws(read, (error: Error) => {
        assert.match(error.message, reason);
        assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /hidden/);
        return true;
      });
    }
  });

  it("may merge a shared part with <<", () => {
    write(
      "work/clouds.yaml",
      `shared: &shared\n  auth_url: http://k\n  password: pw\nclouds:\n  one:\n    auth:\n      <<: *shared\n      username: merged\n`,
    );
    assert.equal(userName(), "merged");
  });

  it("reads region, interface, endpoint and TLS", () => {
    write(
      "work/clouds.yaml",
      `${cloudsYaml("a")}    region_name: two\n    interface: internal\n    key_manager_endpoint_override: http://b:9311\n    verify: false\n    cacert: /ca.pem\n    cert: /c.pem\n    key: /k.pem\n`,
    );
    const { region, interface: which, endpoint, tls } = read();
    assert.deepEqual(
      { region, which, endpoint, tls },
      {
        region: "two",
        which: "internal",
        endpoint: "http://b:9311",
        tls: {
          caFile: "/ca.pem",
          certificateFile: "/c.pem",
          keyFile: "/k.pem",
          insecureSkipVerification: true,
        },
      },
    );
  });

  it("names the likely right cloud for one that it lacks", async () => {
    write("work/clouds.yaml", "clouds: {devstack: {}, production: {}}");
    await refuses(
      () => read("devstak"),
      "invalid_argument",
      /clouds\.yaml: it has no cloud "devstak": did you mean "devstack"\?/,
    );
    await refuses(() => read("__proto__"), "invalid_argument", /it has no cloud/);
    write("work/clouds.yaml", "");
    await refuses(() => read(), "invalid_argument", /it has no clouds/);
  });

  it("must write a vendor's profile out", async () => {
    write("work/clouds.yaml", "clouds: {one: {profile: vendor}}");
    await refuses(
      () => read(),
      "invalid_argument",
      /names a vendor profile: write its auth section out/,
    );
  });

  for (const [label, text] of [
    ["an unclosed quote", `clouds:\n  one:\n    auth:\n      password: "hunter2-secret\n`],
    ["a tab", `clouds:\n\tone: hunter2-secret\n`],
    ["a colon too many", `clouds:\n  password: hunter2-secret: x: y\n`],
    ["an unknown alias", `clouds:\n  one: {auth: *hunter2-secret}\n`],
    ["a key twice", `clouds:\n  one: 1\n  one: hunter2-secret\n`],
    ["two documents", `a: hunter2-secret\n---\nb: 1\n`],
    [
      "a bomb",
      `a: &a [hunter2-secret]\nb: &b [${"*a,".repeat(20)}]\nc: &c [${"*b,".repeat(20)}]\nclouds: [${"*c,".repeat(20)}]\n`,
    ],
  ] as const) {
    it(`does not quote itself when it has ${label}`, async () => {
      write("work/clouds.yaml", text);
      await refuses(() => read(), "invalid_argument", /clouds\.yaml: /, ["hunter2-secret"]);
    });
  }
});
