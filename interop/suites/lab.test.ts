import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { applicationCredentialToken } from "../barbican/keystone-admin.ts";
import { type BarbicanLab, labUserNames, startBarbicanLab } from "../barbican/lab.ts";
import { openstack, openstackJson } from "../clients/openstack.ts";

let lab: BarbicanLab;

before(async () => {
  lab = await startBarbicanLab();
});
after(() => lab.stop());

/** Status of a request to a Barbican. */
async function status(url: string, token: string): Promise<number> {
  const response = await fetch(url, { headers: { "x-auth-token": token } });
  await response.body?.cancel();
  return response.status;
}

describe("the lab", () => {
  it("lets every user log in", async () => {
    for (const user of labUserNames) assert.match(await lab.token(user), /^gAAAA/);
  });

  it("has the legacy policy in one region: an observer may list, a member may not", async () => {
    const url = `${lab.legacyUrl}/v1/secrets`;
    assert.equal(await status(url, await lab.token("demo-observer")), 200);
    assert.equal(await status(url, await lab.token("demo-member")), 403);
  });

  it("has the secure policy in the other: a member may list, an observer may not", async () => {
    const url = `${lab.secureUrl}/v1/secrets`;
    assert.equal(await status(url, await lab.token("demo-member")), 200);
    assert.equal(await status(url, await lab.token("demo-observer")), 403);
  });

  it("names both in the catalog", async () => {
    const admin = await lab.admin();
    const found = await admin.call("GET", "auth/catalog", [200]);
    const catalog = found["catalog"] as {
      type: string;
      endpoints: { interface: string; region: string; url: string }[];
    }[];
    const endpoints = catalog.find((service) => service.type === "key-manager")?.endpoints ?? [];
    const url = (region: string) =>
      endpoints.find((e) => e.interface === "public" && e.region === region)?.url;
    assert.equal(url(lab.regions.legacy), lab.legacyUrl);
    assert.equal(url(lab.regions.secure), lab.secureUrl);
  });

  it("has an application credential that may store", async () => {
    const token = await applicationCredentialToken(lab.keystoneUrl, lab.applicationCredential);
    assert.equal(await status(`${lab.legacyUrl}/v1/secrets`, token), 200);
  });

  it("refuses a request without a token, and a token that nobody issued", async () => {
    assert.equal((await fetch(`${lab.legacyUrl}/v1/secrets`)).status, 401);
    assert.equal(await status(`${lab.secureUrl}/v1/secrets`, "nobody-issued-this"), 401);
  });

  for (const mode of ["legacy", "secure"] as const) {
    it(`works with the openstack command (${mode})`, async () => {
      const env = lab.environment("demo", mode);
      const stored = await openstackJson<Record<string, string>>(
        env,
        ..."secret store --name interop-lab --secret-type passphrase --payload".split(" "),
        "correct horse",
      );
      const ref = stored["Secret href"] ?? "";
      assert.ok(ref.startsWith(mode === "legacy" ? lab.legacyUrl : lab.secureUrl), ref);
      const read = await openstack(env, "secret", "get", ref, "--payload", "-f", "value");
      assert.equal(read.trim(), "correct horse");
      await openstack(env, "secret", "delete", ref);
    });
  }
});
