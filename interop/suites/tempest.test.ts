import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type BarbicanLab, startBarbicanLab } from "../barbican/lab.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";
import { keystoneMode } from "../server/keystone-mode.ts";
import { runTempest, type TempestResults } from "../tempest/tempest.ts";

/**
 * What Debian 12's plugin, of 2022, expects otherwise than our default rules, which are newer Barbican's. That took
 * system scope out of its policies, and gave a project's admin what until then was the operator's: quotas of projects,
 * transport keys, and the description and deletion (never the payload) of other projects' secrets.
 */
const olderRules = [
  "test_quotas.ProjectAdminTests.test_get_custom_quota_for_other_project",
  "test_quotas.ProjectAdminTests.test_get_custom_quota_for_project",
  "test_quotas.ProjectAdminTests.test_list_project_quotas",
  "test_quotas.ProjectAdminTests.test_remove_custom_quota_for_other_project",
  "test_quotas.ProjectAdminTests.test_remove_custom_quota_for_project",
  "test_quotas.ProjectAdminTests.test_set_new_quota_for_other_project",
  "test_quotas.ProjectAdminTests.test_set_new_quota_for_project",
  "test_secrets.ProjectAdminTests.test_delete_other_project_secret",
  "test_secrets.ProjectAdminTests.test_get_other_project_secret",
  "test_transport_keys.ProjectAdminTests.test_create_transport_key",
].map((name) => `barbican_tempest_plugin.tests.rbac.v1.${name}`);

const policyOf2022 = fileURLToPath(
  new URL("../../packages/server/examples/policy-2022.yaml", import.meta.url),
);

let lab: BarbicanLab;
before(async () => {
  lab = await startBarbicanLab();
});
after(() => lab.stop());

/** All tests of the plugin, on a new server of ours. */
async function tempest(
  rules: "legacy" | "secure",
  policy: Readonly<Record<string, string>> = {},
): Promise<TempestResults> {
  const folder = new ServerFolder();
  const server = await KeyServerProcess.start(folder, {
    ...keystoneMode(lab),
    ...(Object.keys(policy).length > 0 && { policy }),
  });
  try {
    const results = await runTempest({ lab, url: server.url, rules });
    // That it was this server whom the plugin asked: each of its tests asks something.
    assert.ok((await requestsTo(server.url)) >= results.passed.size, "asked another key manager");
    return results;
  } finally {
    await server.stop();
    folder.remove();
  }
}

/** How many requests of the API a server of ours has answered. */
async function requestsTo(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const counts = [...metrics.matchAll(/^chatelaine_http_request_seconds_count\{.*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** That so many passed and just those failed; the error says what failed and how. */
function assertResults(results: TempestResults, passed: number, failed: readonly string[]): void {
  const said = results.output.slice(-8_000);
  assert.deepEqual([...results.failed].toSorted(), failed.toSorted(), said);
  assert.equal(results.passed.size, passed, said);
}

describe("the whole barbican-tempest-plugin on our server with the real Keystone", () => {
  it("passes with the legacy rules: 13 of 13", async () => {
    assertResults(await tempest("legacy", { rules: "legacy" }), 13, []);
  });

  it("passes with the default rules: 293 of 303; the others state the rules of 2022", async () => {
    assertResults(await tempest("secure"), 293, olderRules);
  });

  it("passes with the policy file of 2022: 303 of 303", async () => {
    assertResults(await tempest("secure", { file: policyOf2022 }), 303, []);
  });
});
