import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  BarbicanKeyManager,
  type BarbicanOptions,
  type Caller,
  type KeyManager,
  type KeyManagerErrorCode,
  keystoneCaller,
  settingsFromEnvironment,
} from "@chatelaine/keys";
import { labCaller } from "../barbican/callers.ts";
import { applicationCredentialToken, KeystoneAdmin } from "../barbican/keystone-admin.ts";
import { type BarbicanLab, startBarbicanLab } from "../barbican/lab.ts";
import { waitFor } from "../host/wait-for.ts";
import { FaultProxy } from "../proxy/fault-proxy.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";
import { keystoneMode } from "../server/keystone-mode.ts";

let lab: BarbicanLab;
let directory: string;

before(async () => {
  lab = await startBarbicanLab();
  directory = mkdtempSync(join(tmpdir(), "chatelaine-credentials-"));
});
after(async () => {
  rmSync(directory, { recursive: true, force: true });
  await lab.stop();
});

function open(options: BarbicanOptions = {}): KeyManager {
  return new BarbicanKeyManager({ region: lab.regions.secure, warn: () => undefined, ...options });
}

/** What every password login of user demo has in common. */
function withPassword() {
  return { authUrl: lab.keystoneUrl, password: lab.users.demo.password };
}

/** Creates, reads and deletes a key: what a caller with a member's rights can do. */
async function works(manager: KeyManager, caller: Caller): Promise<void> {
  const id = await manager.createKey(caller, { algorithm: "aes", bitLength: 256 });
  assert.equal((await manager.get(caller, id)).value.length, 32);
  await manager.delete(caller, id);
}

async function refusedWith(code: KeyManagerErrorCode, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error: Error & { code?: string }) => {
    assert.equal(error.code, code, error.message);
    for (const secret of [lab.users.demo.password, lab.applicationCredential.secret]) {
      assert.ok(!JSON.stringify([error.message, error.stack]).includes(secret));
    }
    return true;
  });
}

/** Who acts for user demo in demo's project, and is none of its members. */
async function ownsWhatTheTrustorOwns(manager: KeyManager): Promise<void> {
  const trustee = keystoneCaller({
    authUrl: lab.keystoneUrl,
    username: "demo2",
    password: lab.users.demo2.password,
    trustId: lab.trust.id,
  });
  await works(manager, trustee);
  const id = await manager.createKey(trustee, { algorithm: "aes", bitLength: 256 });
  assert.equal((await manager.describe(labCaller(lab, "demo"), id)).id, id);
  await refusedWith("forbidden", manager.get(labCaller(lab, "demo2"), id));
  await manager.delete(labCaller(lab, "demo"), id);
}

describe("a caller of our server, which asks the real Keystone", () => {
  let folder: ServerFolder;
  let server: KeyServerProcess;
  before(async () => {
    folder = new ServerFolder();
    server = await KeyServerProcess.start(folder, keystoneMode(lab));
  });
  after(async () => {
    await server.stop();
    folder.remove();
  });

  it("acts for another by a trust, and owns what that one owns", () =>
    ownsWhatTheTrustorOwns(open({ endpoint: server.url })));

  it("has an application credential", async () => {
    const { id, secret } = lab.applicationCredential;
    const caller = keystoneCaller({
      authUrl: lab.keystoneUrl,
      applicationCredentialId: id,
      applicationCredentialSecret: secret,
    });
    await works(open({ endpoint: server.url }), caller);
  });
});

describe("a caller of the real Barbican", () => {
  it("has a password, and names himself and his project by name", async () => {
    const caller = keystoneCaller({
      ...withPassword(),
      username: "demo",
      userDomainName: "Default",
      projectName: "demo",
      projectDomainName: "Default",
    });
    await works(open(), caller);
  });

  it("has a password, and names himself and his project by id", async () => {
    const projectId = lab.projectIds["demo"];
    await works(
      open(),
      keystoneCaller({ ...withPassword(), userId: lab.users.demo.id, projectId }),
    );
  });

  it("has a password and a Keystone URL without /v3", async () => {
    const authUrl = lab.keystoneUrl.replace("/v3", "/");
    const caller = keystoneCaller({
      ...withPassword(),
      authUrl,
      username: "demo",
      projectName: "demo",
    });
    await works(open(), caller);
  });

  it("has an identity token, as it is or scoped anew", async () => {
    const token = await lab.token("demo");
    await works(open(), keystoneCaller({ authUrl: lab.keystoneUrl, token }));
    const projectId = lab.projectIds["demo"];
    await works(open(), keystoneCaller({ authUrl: lab.keystoneUrl, token, projectId }));
  });

  it("has nothing but an identity token, where the endpoint is given", async () => {
    const token = await lab.token("demo");
    await works(open({ endpoint: lab.secureUrl }), keystoneCaller({ token }));
    await refusedWith("invalid_argument", works(open(), keystoneCaller({ token })));
  });

  it("has an application credential, by id or by name", async () => {
    const { id, name, secret } = lab.applicationCredential;
    const common = { authUrl: lab.keystoneUrl, applicationCredentialSecret: secret };
    await works(open(), keystoneCaller({ ...common, applicationCredentialId: id }));
    const named = { ...common, applicationCredentialName: name, username: "demo" };
    await works(open(), keystoneCaller(named));
  });

  it("acts for another by a trust, and owns what that one owns", () =>
    ownsWhatTheTrustorOwns(open()));

  it("comes from OS_* variables", async () => {
    const settings = settingsFromEnvironment(lab.environment("demo", "secure"));
    assert.equal(settings.region, lab.regions.secure);
    const { region, interface: face } = settings;
    await works(open({ region, interface: face }), settings.caller);
  });

  it("comes from a cloud of clouds.yaml, its password from secure.yaml", async () => {
    writeFileSync(
      join(directory, "clouds.yaml"),
      `clouds:
  interop:
    auth:
      auth_url: ${lab.keystoneUrl}
      username: demo
      project_name: demo
      user_domain_name: Default
      project_domain_name: Default
    region_name: ${lab.regions.legacy}
    interface: internal
  credential:
    auth_type: v3applicationcredential
    auth:
      auth_url: ${lab.keystoneUrl}
      application_credential_id: ${lab.applicationCredential.id}
`,
    );
    writeFileSync(
      join(directory, "secure.yaml"),
      `clouds:
  interop: { auth: { password: ${lab.users.demo.password} } }
  credential: { auth: { application_credential_secret: ${lab.applicationCredential.secret} } }
`,
    );
    for (const cloud of ["interop", "credential"]) {
      const settings = settingsFromEnvironment(
        { OS_CLOUD: cloud },
        { working: directory, home: directory },
      );
      const { region, interface: face } = settings;
      await works(open({ region, interface: face }), settings.caller);
    }
  });
});

describe("a caller whom the real Keystone does not know so", () => {
  const refusals = {
    "a wrong password": () => ({ username: "demo", password: "wrong", projectName: "demo" }),
    "an unknown user": () => ({ username: "nobody", password: "wrong", projectName: "demo" }),
    "another's project": () => ({
      username: "demo",
      password: lab.users.demo.password,
      projectName: "demo2",
    }),
    "an invented token": () => ({ token: "gAAAAABinvented" }),
    "a wrong application credential": () => ({
      applicationCredentialId: lab.applicationCredential.id,
      applicationCredentialSecret: "wrong",
    }),
  };
  for (const [name, credentials] of Object.entries(refusals)) {
    it(`is unauthenticated: ${name}`, async () => {
      const caller = keystoneCaller({ authUrl: lab.keystoneUrl, ...credentials() });
      await refusedWith("unauthenticated", works(open(), caller));
    });
  }

  it("is told when the catalog has no key manager in the region", async () => {
    const manager = open({ region: "RegionNowhere" });
    await assert.rejects(works(manager, labCaller(lab, "demo")), /RegionNowhere/);
  });

  it("is forbidden what his role does not allow", async () => {
    await refusedWith("forbidden", works(open(), labCaller(lab, "demo-reader")));
  });
});

describe("identity tokens of the real Keystone", () => {
  it("are asked for once, however many calls begin at once, and once again after a 401", async () => {
    const keystone = await FaultProxy.start(new URL(lab.keystoneUrl).origin);
    const barbican = await FaultProxy.start(lab.secureUrl);
    try {
      const { username, password, projectName } = lab.users.demo;
      const authUrl = `${keystone.url}/v3`;
      const caller = keystoneCaller({ authUrl, username, password, projectName });
      const manager = open({ endpoint: barbican.url });
      const first = await keystone.record(async () => {
        await Promise.all(Array.from({ length: 8 }, () => Array.fromAsync(manager.list(caller))));
      });
      assert.equal(first.length, 1, JSON.stringify(first));

      const refusal = { type: "answer", reply: { status: 401 } } as const;
      const second = await keystone.record(async () => {
        const sent = await barbican.record(
          () => Array.fromAsync(manager.list(caller)),
          (index) => (index === 0 ? refusal : undefined),
        );
        assert.equal(sent.length, 2);
      });
      assert.equal(second.length, 1, JSON.stringify(second));

      const third = await keystone.record(async () => {
        await barbican.record(
          () => refusedWith("unauthenticated", Array.fromAsync(manager.list(caller))),
          () => refusal,
        );
      });
      assert.equal(third.length, 1, "a second 401 is final");
    } finally {
      await Promise.all([keystone.stop(), barbican.stop()]);
    }
  });

  it("are each caller's own", async () => {
    const manager = open();
    const [demo, demo2] = [labCaller(lab, "demo"), labCaller(lab, "demo2")];
    const spec = { algorithm: "aes", bitLength: 256 };
    const ids = await Promise.all([demo, demo2].map((caller) => manager.createKey(caller, spec)));
    const [first, second] = ids;
    assert.ok(first !== undefined && second !== undefined);
    assert.equal((await manager.get(demo, first)).id, first);
    assert.equal((await manager.get(demo2, second)).id, second);
    await refusedWith("forbidden", manager.get(demo, second));
    await refusedWith("forbidden", manager.get(demo2, first));
    await manager.delete(demo, first);
    await manager.delete(demo2, second);
  });

  it("may have expired, if a service vouches for the caller", async () => {
    const demo = lab.users.demo;
    const own = new KeystoneAdmin(lab.keystoneUrl, await lab.token("demo"));
    const made = await own.call("POST", `users/${demo.id}/application_credentials`, [201], {
      application_credential: {
        name: `short-${process.pid}-${Date.now()}`,
        roles: [{ name: "member" }],
        expires_at: new Date(Date.now() + 4_000).toISOString().replace("Z", ""),
      },
    });
    const credential = made["application_credential"] as { id: string; secret: string };
    const token = await applicationCredentialToken(lab.keystoneUrl, credential);
    const caller = keystoneCaller({ token });
    const endpoint = lab.secureUrl;
    await waitFor("expiry of a token", 60, async () => {
      const headers = { "x-auth-token": await lab.token("admin"), "x-subject-token": token };
      const check = await fetch(`${lab.keystoneUrl}/auth/tokens`, { headers });
      await check.body?.cancel();
      return check.status === 404 ? true : undefined;
    });
    await refusedWith("unauthenticated", Array.fromAsync(open({ endpoint }).list(caller)));
    const serviceCaller = labCaller(lab, "barbican");
    await works(open({ endpoint, serviceCaller }), caller);
    // A service user without the service role vouches for nobody.
    const impostor = labCaller(lab, "demo2");
    const manager = open({ endpoint, serviceCaller: impostor });
    await refusedWith("unauthenticated", Array.fromAsync(manager.list(caller)));
  });
});
