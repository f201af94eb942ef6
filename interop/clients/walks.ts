/** Everything that Debian's clients can do with a key manager, for a test to run on any server and identity. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openstack, openstackJson } from "./openstack.ts";

type Environment = Readonly<Record<string, string>>;
type Row = Readonly<Record<string, unknown>>;

/**
 * Walks through every command that python-barbicanclient gives `openstack`.
 *
 * @param environment the `OS_*` variables of a member of a project that holds nothing, and holds nothing afterwards
 * @param url the key server that the commands must end at
 * @param otherUserId a user to put into an ACL
 */
export async function walkWithOpenstack(
  environment: Environment,
  url: string,
  otherUserId: string,
): Promise<void> {
  const run = (...args: readonly string[]) => openstack(environment, ...args);
  const ask = <T = Row>(...args: readonly string[]) => openstackJson<T>(environment, ...args);
  const hrefOf = (row: Row, kind: string) => {
    const href = String(row[`${kind} href`]);
    assert.ok(href.startsWith(`${url}/v1/`), href);
    return href;
  };

  const text = ["--secret-type", "passphrase", "--payload", "a payload"];
  const secret = hrefOf(await ask("secret", "store", "--name", "walk", ...text), "Secret");
  const described = await ask("secret", "get", secret);
  assert.deepEqual([described["Name"], described["Status"]], ["walk", "ACTIVE"]);
  const payload = await ask("secret", "get", secret, "--payload");
  assert.equal(payload["Payload"], "a payload");
  const later = hrefOf(await ask("secret", "store", "--name", "later"), "Secret");
  await run("secret", "update", later, "came later");
  assert.equal(
    (await run("secret", "get", later, "--payload", "-f", "value")).trim(),
    "came later",
  );
  const named = await ask<Row[]>("secret", "list", "--name", "walk");
  assert.deepEqual(
    named.map((row) => hrefOf(row, "Secret")),
    [secret],
  );
  assert.equal((await ask<Row[]>("secret", "list", "--limit", "1")).length, 1);

  const key = ["--algorithm", "aes", "--bit-length", "256", "--mode", "cbc", "key"];
  const order = hrefOf(await ask("secret", "order", "create", "--name", "key", ...key), "Order");
  const made = await ask("secret", "order", "get", order);
  assert.equal(made["Status"], "ACTIVE");
  const generated = hrefOf(made, "Secret");
  assert.equal((await ask<Row[]>("secret", "order", "list")).length, 1);

  const member = `one=${secret}`;
  const container = hrefOf(
    await ask("secret", "container", "create", "--name", "box", "--secret", member),
    "Container",
  );
  const box = await ask("secret", "container", "get", container);
  assert.deepEqual([box["Name"], box["Type"], box["Status"]], ["box", "generic", "ACTIVE"]);
  assert.ok(JSON.stringify(box["Secrets"]).includes(secret));
  assert.equal((await ask<Row[]>("secret", "container", "list")).length, 1);

  for (const href of [secret, container]) {
    const acl = async () => JSON.stringify(await ask("acl", "get", href));
    await run("acl", "submit", href, "--user", otherUserId, "--no-project-access");
    const submitted = await acl();
    assert.ok(submitted.includes(otherUserId) && submitted.includes("false"), submitted);
    await run("acl", "user", "remove", href, "--user", otherUserId);
    assert.ok(!(await acl()).includes(otherUserId), "removed");
    await run("acl", "user", "add", href, "--user", otherUserId, "--project-access");
    assert.ok((await acl()).includes(otherUserId), "added");
    await run("acl", "delete", href);
    assert.ok(!(await acl()).includes(otherUserId), "deleted");
  }

  await run("secret", "order", "delete", order);
  await run("secret", "container", "delete", container);
  for (const href of [secret, later, generated]) await run("secret", "delete", href);
  for (const kind of [[], ["order"], ["container"]])
    assert.deepEqual(await ask<Row[]>("secret", ...kind, "list"), []);
}

/**
 * Walks through all that Castellan's key manager can do, and python-barbicanclient's consumers.
 *
 * @param settings Castellan's configuration file
 */
export async function walkWithPython(
  environment: Environment,
  url: string,
  settings: string,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-castellan-"));
  const file = join(folder, "castellan.conf");
  writeFileSync(file, settings, { mode: 0o600 });
  try {
    for (const name of ["castellan-walk", "consumers-walk"]) {
      const program = fileURLToPath(new URL(`${name}.py`, import.meta.url));
      const named = { BARBICAN_ENDPOINT: url, CASTELLAN_CONF: file };
      const env = { PATH: "/usr/bin:/bin", ...environment, ...named };
      const { stdout } = await promisify(execFile)("/usr/bin/python3", [program], { env });
      assert.match(stdout, /all done/);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
