/** What operators write as settings, and what a secret file or an editor adds to it. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { loadServerConfig, type ServerConfig } from "../src/config/config.ts";
import { type Setting, settingNames, settings, variableOf } from "../src/config/settings.ts";
import { isServerError } from "../src/model/server-error.ts";
import { startServer } from "../src/startup/start-server.ts";
import { login } from "./support/builtin-harness.ts";
import { temporaryFolder } from "./support/harness.ts";

const withPublicUrl = (text: string): ServerConfig =>
  loadServerConfig({ environment: { CHATELAINE_SERVER_PUBLIC_URL: text } });

/** What a configuration is refused with. */
function refusal(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    assert.ok(isServerError(error, "invalid_config"), String(error));
    return error.message;
  }
  return "";
}

/** A valid text of each setting that is one. */
function example(setting: Setting): string {
  if (setting.type === "list" || setting.type === "text" || setting.type === "secret")
    switch (setting.format) {
      case "listen host":
        return "127.0.0.1";
      case "http URL":
      case "public URL":
        return "https://keys.example.com/path";
      case "path":
      case "database":
        return "/var/lib/chatelaine/file";
      case "root key":
        return Buffer.alloc(32, 1).toString("base64");
      case "name":
      case "password":
        return "10.0.0.1";
    }
  return typeof setting.type === "string" ? String(setting.default) : (setting.type[0] ?? "");
}

describe("publicUrl", () => {
  it("is refused where it is not the address that clients use, and nothing secret is shown", () => {
    for (const [text, why] of [
      ["https://keys.example.com\n", /must not end in a line break/],
      ["https://keys.example.com\r", /must not end in a line break/],
      ["https://keys.exa\nmple.com", /line break or control character/],
      ["https://keys.example.com/\u0000", /control character/],
      ["https://keys.example.com\u0085", /line break/],
      ["https://keys.example.com ", /spaces/],
      [" https://keys.example.com", /spaces/],
      ["https://keys.example.com/a b", /spaces/],
      ["https://keys.example.com/v1", /must not end in \/v1.*write https:\/\/keys\.example\.com$/],
      ["https://keys.example.com/v1/", /must not end in \/v1/],
      ["https://keys.example.com/v3", /must not end in \/v3/],
      ["https://keys.example.com/base/V1", /must not end in \/V1/],
      ["https://keys.example.com?", /query/],
      ["https://keys.example.com/?a=hushhush", /query/],
      ["https://keys.example.com/#hushhush", /fragment/],
      ["https://admin:hushhush@keys.example.com", /user or a password/],
      ["https://hushhush@keys.example.com", /user or a password/],
      ["https://@keys.example.com", /user or a password/],
      ["https:keys.example.com", /http or https URL/],
      ["https:///keys.example.com", /http or https URL/],
      ["https:\\\\keys.example.com", /backslash/],
      ["keys.example.com:9311", /http or https URL/],
      ["ftp://keys.example.com", /http or https URL/],
      ["https://keys.example.com:99999", /http or https URL/],
      ["https://keys.example.com:0", /port 0/],
      ["http://0.0.0.0:9311", /is for listen\.host/],
      ["http://[::]:9311", /is for listen\.host/],
      ["http://[::ffff:0.0.0.0]:9311", /is for listen\.host/],
      ["https://*.example.com", /host name/],
      ["https://*", /host name/],
      ["https://a.example.com;https://b.example.com", /host name/],
      ["https://a..example.com", /host name/],
      ["https://-a.example.com", /host name/],
      ["https://keys\ufffd.example.com", /UTF-8/],
      [`https://keys.example.com/${"x".repeat(600)}`, /at most 512/],
    ] as const) {
      const said = refusal(() => withPublicUrl(text));
      assert.match(said, /^CHATELAINE_SERVER_PUBLIC_URL: publicUrl /, JSON.stringify(text));
      assert.match(said, why, JSON.stringify(text));
      assert.doesNotMatch(said, /hushhush/);
    }
  });

  it("is used in one form, which any header can carry", () => {
    for (const [text, form] of [
      ["https://keys.example.com/", "https://keys.example.com"],
      ["https://keys.example.com:443", "https://keys.example.com"],
      ["HTTP://Keys.Example.com:80/base//", "http://keys.example.com/base"],
      ["https://schlüssel.example:9311", "https://xn--schlssel-95a.example:9311"],
      ["https://keys.example.com/schlüssel", "https://keys.example.com/schl%C3%BCssel"],
      ["http://v1", "http://v1"],
      ["http://[2001:DB8:0::1]:9311", "http://[2001:db8::1]:9311"],
    ] as const)
      assert.equal(withPublicUrl(text).publicUrl(1), form);
  });

  it("with an international host name lets a secret be stored and its ref be used", async (t) => {
    const { url, token } = await startBuiltin(t, "http://schlüssel.example:9311/");
    const made = await fetch(`${url}/v1/secrets`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-auth-token": token },
      body: JSON.stringify({ payload: "x", payload_content_type: "text/plain" }),
    });
    assert.equal(made.status, 201, await made.clone().text());
    const { secret_ref: ref } = (await made.json()) as { secret_ref: string };
    assert.equal(made.headers.get("location"), ref);
    assert.match(ref, /^http:\/\/xn--schlssel-95a\.example:9311\/v1\/secrets\/[\da-f-]{36}$/);
    const refused = await fetch(`${url}/v1/secrets`);
    assert.equal(refused.status, 401);
    assert.match(
      refused.headers.get("www-authenticate") ?? "",
      /xn--schlssel-95a\.example:9311\/v3/,
    );
  });
});

describe("a text setting", () => {
  for (const name of settingNames)
    it(`${name} is refused with a line break, a control character or bytes that are not UTF-8 in it`, (t) => {
      const valid = example(settings[name]);
      const file = join(temporaryFolder(t), "server.yaml");
      const [group, rest] = name.split(".");
      for (const wrong of [
        "\n",
        "\r\n",
        "\0",
        "\u001b[2J",
        "\u0085",
        "\u2028",
        "\ufffd",
        "\ud800",
      ]) {
        const text = `${valid.slice(0, 4)}${wrong}${valid.slice(4)}`;
        const said = refusal(() => loadServerConfig({ environment: { [variableOf(name)]: text } }));
        assert.match(said, new RegExp(`^${variableOf(name)}: ${name} `), JSON.stringify(wrong));
        const nested = rest === undefined ? { [name]: text } : { [group ?? ""]: { [rest]: text } };
        writeFileSync(file, JSON.stringify(nested), { mode: 0o600 });
        assert.match(
          refusal(() => loadServerConfig({ file, environment: {} })),
          new RegExp(name),
        );
      }
    });

  it("is taken from the file as it is written there, not as YAML reads numbers", (t) => {
    const file = join(temporaryFolder(t), "server.yaml");
    const text = "identity:\n  region: 1.10\nkeystone:\n  username: 007\n  password: 1e3\n";
    writeFileSync(file, `${text}listen: { port: 9311 }\nmetrics: { enabled: False }\n`, {
      mode: 0o600,
    });
    const config = loadServerConfig({ file, environment: {} });
    assert.equal(config.text("identity.region"), "1.10");
    assert.equal(config.text("keystone.username"), "007");
    assert.equal(config.text("keystone.password"), "1e3");
    assert.equal(config.integer("listen.port"), 9311);
    assert.equal(config.boolean("metrics.enabled"), false);
    writeFileSync(file, Buffer.from("identity: { region: \xff }\n", "latin1"));
    assert.match(
      refusal(() => loadServerConfig({ file, environment: {} })),
      /not valid UTF-8/,
    );
    writeFileSync(file, "identity: { region: [a, b] }\n");
    assert.match(
      refusal(() => loadServerConfig({ file, environment: {} })),
      /single value/,
    );
    writeFileSync(file, "acceptedAddresses: { a: b }\n");
    assert.match(
      refusal(() => loadServerConfig({ file, environment: {} })),
      /must be a list/,
    );
  });

  it("with Keystone's address or a database URL shows no password where it is refused", () => {
    for (const [variable, text] of [
      ["CHATELAINE_SERVER_KEYSTONE_AUTH_URL", "http://u:hushhush@keystone.example.com/v3"],
      ["CHATELAINE_SERVER_KEYSTONE_PUBLIC_URL", "http://u:hushhush@keystone.example.com/v3"],
      ["CHATELAINE_SERVER_DATABASE", "postgres://u:hush/hush@db.example.com:port/keys"],
      ["CHATELAINE_SERVER_ROOT_KEY_VALUE", "hushhush"],
      ["CHATELAINE_SERVER_ACCEPTED_ADDRESSES", "http://u:hushhush@old.example.com"],
    ] as const) {
      const said = refusal(() => loadServerConfig({ environment: { [variable]: text } }));
      assert.match(said, new RegExp(`^${variable}: \\S+ must `));
      assert.doesNotMatch(said, /hush/);
    }
  });
});

async function startBuiltin(t: TestContext, publicUrl: string) {
  const folder = temporaryFolder(t);
  const config = loadServerConfig({
    environment: { CHATELAINE_SERVER_PUBLIC_URL: publicUrl },
    flags: {
      "--listen-port": "0",
      "--data-directory": folder,
      "--log-file": join(folder, "log"),
    },
  });
  const server = await startServer(config);
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.port}`;
  const password = /password: "?([\w-]{8,})/.exec(
    readFileSync(join(folder, "clouds.yaml"), "utf8"),
  );
  const answer = await fetch(`${url}/v3/auth/tokens`, {
    method: "POST",
    body: JSON.stringify(login(password?.[1] ?? "", { name: "admin", project: "admin" })),
  });
  assert.equal(answer.status, 201, await answer.text());
  return { url, token: answer.headers.get("x-subject-token") ?? "" };
}

describe("a file or folder that begins with ~", () => {
  it("is refused: it would be made where the server was started", () => {
    for (const [variable, text] of [
      ["CHATELAINE_SERVER_DATA_DIRECTORY", "~/.chatelaine"],
      ["CHATELAINE_SERVER_DATABASE", "~/keys.db"],
      ["CHATELAINE_SERVER_LOG_FILE", "~operator/log"],
    ] as const)
      assert.match(
        refusal(() => loadServerConfig({ environment: { [variable]: text } })),
        new RegExp(`^${variable}: \\S+ must not begin with ~.*: write it in full$`),
      );
  });
});

describe("listen.host that is empty", () => {
  it("is what the error names, not publicUrl", () => {
    const said = refusal(() =>
      loadServerConfig({ environment: {}, flags: { "--listen-host": "" } }),
    );
    assert.match(said, /^listen\.host is not set/);
  });
});

describe("null in the file", () => {
  it("leaves a text unset, and names no file", (t) => {
    const file = join(temporaryFolder(t), "server.yaml");
    const load = (text: string) => {
      writeFileSync(file, text, { mode: 0o600 });
      return loadServerConfig({ file, environment: {} });
    };
    for (const empty of ["", " ~", " null", " Null", " NULL", ' ""']) {
      const config = load(
        `database:${empty}\nlog: { file:${empty} }\nacceptedAddresses:${empty}\n`,
      );
      assert.equal(config.secret("database"), undefined, empty);
      assert.equal(config.text("log.file"), undefined, empty);
      assert.deepEqual(config.acceptedAddresses(), [], empty);
      assert.match(
        refusal(() => load(`listen: { port:${empty} }\n`)),
        /listen\.port must be a whole number/,
      );
      assert.match(
        refusal(() => load(`dataDirectory:${empty}\n`).requiredText("dataDirectory")),
        /dataDirectory is not set/,
      );
    }
    assert.equal(load('log: { file: "null" }\n').text("log.file"), "null");
  });
});
