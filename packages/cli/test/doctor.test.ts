import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Diagnosis } from "@chatelaine/server/diagnosis";
import { type EmbeddedServer, startEmbeddedServer } from "../src/start/embedded-server.ts";
import { certificate, expiredCertificate, privateKey } from "./certificates.ts";
import { Session } from "./session.ts";

/** What is found wrong, by the name of the check. */
type Wrong = Readonly<Record<string, string>>;

describe("chatelaine doctor", () => {
  let directory: string;
  let server: EmbeddedServer;
  /** The password of the server's first user. */
  let password: string;
  const listening: Server[] = [];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-doctor-"));
    server = await startEmbeddedServer({ dataDirectory: join(directory, "server"), port: 0 });
    const clouds = await readFile(server.cloudsFile, "utf8");
    password = /password: (\S+)/.exec(clouds)?.[1] ?? "";
  });
  after(async () => {
    for (const each of listening) each.close();
    await server.close();
    await rm(directory, { recursive: true });
  });

  const healthy = (): Record<string, string> => ({
    OS_AUTH_URL: `${server.url}/v3`,
    OS_USERNAME: "admin",
    OS_PASSWORD: password,
    OS_USER_DOMAIN_NAME: "Default",
    OS_PROJECT_NAME: "admin",
    OS_PROJECT_DOMAIN_NAME: "Default",
    CHATELAINE_LEDGER: join(directory, "none.sqlite"),
    PATH: process.env["PATH"] ?? "",
  });

  async function wrongWith(environment: Record<string, string>): Promise<Wrong> {
    const session = new Session({ environment: { ...healthy(), ...environment } });
    const { code, out } = await session.runConfigured("doctor", "--try-writing", "--json");
    return wrongIn(code, out);
  }

  async function listen(each: Server): Promise<string> {
    listening.push(each.listen(0, "127.0.0.1"));
    await once(each, "listening");
    return `127.0.0.1:${(each.address() as AddressInfo).port}`;
  }

  it("finds nothing wrong where nothing is", async () => {
    const wrong = await wrongWith({});
    // Of this host it cannot be known what it has.
    for (const host of ["root", "cryptsetup", "kernel", "LVM"])
      assert.ok(!wrong[host]?.startsWith("bad"));
    assert.deepEqual(
      Object.keys(wrong).filter((name) => !/root|cryptsetup|kernel|LVM/.test(name)),
      [],
    );
  });

  it("says what it finds below the check where there is no room beside it", async () => {
    const environment = { ...healthy(), OS_AUTH_URL: "http://127.0.0.1:9/v3", NO_COLOR: "1" };
    const narrow = await new Session({ environment, columns: 40 }).runConfigured("doctor");
    assert.match(
      narrow.out,
      /^BAD      identity: connection\n  http:.*\n  → nothing listens there/m,
    );
    const wide = await new Session({ environment, columns: 100 }).runConfigured("doctor");
    assert.match(wide.out, /^BAD      identity: connection {2,}http:.*\n {20,}→ nothing listens/m);
  });

  it("no key manager is configured", async () => {
    const { configuration } = await wrongWith({ OS_AUTH_URL: "" });
    assert.match(configuration ?? "", /no key manager is configured.*OS_CLOUD/s);
  });

  it("a cloud that clouds.yaml does not have", async () => {
    const named = { OS_CLOUD: "chatelain", OS_CLIENT_CONFIG_FILE: server.cloudsFile };
    const { configuration } = await wrongWith({ ...named, OS_AUTH_URL: "" });
    assert.match(configuration ?? "", /chatelain.*chatelaine/s);
  });

  it("nothing listens at the identity service", async () => {
    const wrong = await wrongWith({ OS_AUTH_URL: "http://127.0.0.1:9/v3" });
    assert.match(wrong["identity: connection"] ?? "", /ECONNREFUSED.*start the service/s);
  });

  it("the host's name is unknown", async () => {
    const wrong = await wrongWith({ OS_AUTH_URL: "http://keystone.invalid/v3" });
    assert.match(wrong["identity: connection"] ?? "", /keystone\.invalid.*name/s);
  });

  it("https to a port without TLS", async () => {
    const wrong = await wrongWith({ OS_AUTH_URL: `${server.url.replace("http", "https")}/v3` });
    assert.match(wrong["identity: connection"] ?? "", /no TLS on that port/);
  });

  it("a certificate of an unknown authority, and one that has expired", async () => {
    const [good, expired] = await Promise.all(
      [certificate, expiredCertificate].map(async (cert) => {
        const tls = createTlsServer({ key: privateKey, cert }, (_, reply) => reply.end());
        return `https://${await listen(tls)}/v3`;
      }),
    );
    assert.ok(good !== undefined && expired !== undefined);
    const unknown = await wrongWith({ OS_AUTH_URL: good });
    assert.match(unknown["identity: connection"] ?? "", /cacert in clouds\.yaml, or OS_CACERT/);
    const authority = join(directory, "authority.pem");
    await writeFile(authority, certificate);
    const known = await wrongWith({ OS_AUTH_URL: good, OS_CACERT: authority });
    assert.equal(known["identity: connection"], undefined);
    await writeFile(authority, expiredCertificate);
    const past = await wrongWith({ OS_AUTH_URL: expired, OS_CACERT: authority });
    assert.match(past["identity: connection"] ?? "", /expired.*renewed/s);
  });

  it("the clocks differ", async () => {
    const late = createServer((_, reply) => {
      reply.setHeader("date", new Date(Date.now() - 3_600_000).toUTCString()).end();
    });
    const wrong = await wrongWith({ OS_AUTH_URL: `http://${await listen(late)}/v3` });
    assert.match(wrong["identity: clock"] ?? "", /3600 s behind this host.*NTP/s);
  });

  it("a wrong password", async () => {
    const { identity } = await wrongWith({ OS_PASSWORD: "wrong" });
    assert.match(identity ?? "", /^bad.*(password|credentials).*\(req-[\w-]+\)/s);
  });

  it("no key manager in that region", async () => {
    const { endpoint } = await wrongWith({ OS_REGION_NAME: "Nowhere" });
    assert.match(endpoint ?? "", /Nowhere/);
  });

  it("something else at the key manager's address", async () => {
    const html = createServer((_, reply) => {
      reply.setHeader("content-type", "text/html").end("<html>It works!</html>");
    });
    const url = `http://${await listen(html)}`;
    const wrong = await wrongWith({ CHATELAINE_ENDPOINT: url });
    assert.match(wrong["API version"] ?? "", /^bad/);
  });

  it("a user without a role that may store", async () => {
    await server.command("user create", "carol", "correct horse battery");
    await server.command("role grant", "carol", "admin", "reader");
    const reader = { OS_USERNAME: "carol", OS_PASSWORD: "correct horse battery" };
    const wrong = await wrongWith(reader);
    assert.match(wrong["writing"] ?? "", /give the user a role in the project: member/);
  });

  it("no cryptsetup, no dmsetup, no LVM", async () => {
    const wrong = await wrongWith({ PATH: directory });
    assert.match(wrong["cryptsetup"] ?? "", /apt-get install cryptsetup-bin/);
    assert.match(wrong["kernel"] ?? "", /apt-get install dmsetup/);
    assert.match(wrong["LVM"] ?? "", /apt-get install lvm2/);
  });

  it("a ledger that others read, and one that is none", async () => {
    const ledger = join(directory, "ledger.sqlite");
    await new Session().runConfigured("--backend", "memory", "--ledger", ledger, "recover");
    await chmod(ledger, 0o644);
    const open = await wrongWith({ CHATELAINE_LEDGER: ledger });
    assert.match(open["ledger"] ?? "", /mode 644.*chmod 600/s);
    const none = join(directory, "text");
    await writeFile(
      none,
      "this is no database, but long enough to be looked at as if it were one",
      {
        mode: 0o600,
      },
    );
    assert.match((await wrongWith({ CHATELAINE_LEDGER: none }))["ledger"] ?? "", /^bad/);
  });

  describe("beside a server", () => {
    let data: string;
    let copies = 0;
    beforeEach(async () => {
      data = join(directory, `copy-${copies++}`);
      await mkdir(data, { mode: 0o700 });
      await server.command("backup", join(data, "keys.db"));
      await cp(join(directory, "server/root-key"), join(data, "root-key"));
    });

    async function wrongThere(...flags: readonly string[]): Promise<Wrong> {
      const words = ["server", "doctor", "--json", "--data-directory", data, ...flags];
      const { code, out } = await new Session().runConfigured(...words);
      const { server: _, ...wrong } = wrongIn(code, out);
      return wrong;
    }

    it("finds nothing wrong where nothing is, and changes nothing", async () => {
      const bytes = await readFile(join(data, "keys.db"));
      assert.deepEqual(await wrongThere(), {});
      assert.deepEqual(await readFile(join(data, "keys.db")), bytes);
    });

    it("a root key that others read", async () => {
      await chmod(join(data, "root-key"), 0o644);
      assert.match((await wrongThere())["root key"] ?? "", /chmod 600/);
    });

    it("no root key, and another one", async () => {
      await rm(join(data, "root-key"));
      assert.match((await wrongThere())["root key"] ?? "", /missing.*restore the file/s);
      const other = `chatelaine-root-key-v1\n1 ${Buffer.alloc(32, 5).toString("base64")}\n`;
      await writeFile(join(data, "root-key"), other, { mode: 0o600 });
      assert.match((await wrongThere())["root key"] ?? "", /is not the one/);
    });

    it("a database of a newer version", async () => {
      const database = new DatabaseSync(join(data, "keys.db"));
      database.exec("INSERT INTO migrations VALUES (99, 'later', 'x', 'x')");
      database.close();
      assert.match((await wrongThere())["database"] ?? "", /99.*start the newer server/s);
    });

    it("PostgreSQL that does not answer", async () => {
      const file = join(data, "server.yaml");
      await writeFile(file, "database: postgres://nobody@127.0.0.1:9/none\n", { mode: 0o600 });
      assert.match((await wrongThere("--server-config", file))["database"] ?? "", /ECONNREFUSED/);
    });

    it("a rule of policy.yaml that there is not", async () => {
      const file = join(data, "policy.yaml");
      await writeFile(file, '"secret:gett": "role:admin"\n');
      assert.match((await wrongThere("--policy-file", file))["policy"] ?? "", /secret:get/);
    });

    it("an address for everybody, and no certificate", async () => {
      const wrong = await wrongThere("--listen-host", "0.0.0.0");
      assert.match(wrong["server certificate"] ?? "", /clear text.*tls\.certificateFile/s);
    });
  });
});

/** And asserts that the exit code says whether something does not work. */
function wrongIn(code: number, out: string): Wrong {
  const found = JSON.parse(out) as readonly Diagnosis[];
  assert.equal(code, found.some(({ state }) => state === "bad") ? 6 : 0, out);
  const wrong = found.filter(({ state }) => state === "bad" || state === "warning");
  return Object.fromEntries(
    wrong.map(({ check, state, found: what, fix }) => [check, `${state}: ${what}: ${fix ?? ""}`]),
  );
}
