import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { RootKeyFile } from "../src/crypto/root-key/slots.ts";
import { RowTags } from "../src/crypto/row-tags.ts";
import { newToken, tokenHash } from "../src/identity/builtin/random-ids.ts";
import { SqlIdentityStore } from "../src/identity/builtin/sql/sql-identity-store.ts";
import { admitRootKeys, systemKey } from "../src/keyring/system-keys.ts";
import { rotateRootKey } from "../src/maintenance/rotate-root-key.ts";
import { openRowTags } from "../src/row-tagging/open-row-tags.ts";
import { all, operation, type SqlValue } from "../src/store/operation.ts";
import { retagPage } from "../src/store/operations/row-tags.ts";
import { taggedTables } from "../src/store/tagged-tables.ts";
import { login, startBuiltinHarness } from "./support/builtin-harness.ts";
import {
  type Answer,
  type Harness,
  idOf,
  startHarness,
  temporaryFolder,
} from "./support/harness.ts";
import { putTag, tamper } from "./support/tamper.ts";
import { storeKind } from "./support/test-store.ts";

const mallory = "mallory/other/member";
const body = { name: "of the tenant", payload: "x", payload_content_type: "text/plain" };

async function newSecret({ ask }: Harness, token?: string, more: object = {}): Promise<string> {
  const options = { ...(token !== undefined && { token }), body: { ...body, ...more } };
  return idOf((await ask("POST", "/v1/secrets", options)).json["secret_ref"]);
}

async function newOrder({ ask }: Harness, meta: object = {}): Promise<string> {
  const order = { type: "key", meta: { algorithm: "aes", bit_length: 256, ...meta } };
  return idOf((await ask("POST", "/v1/orders", { body: order })).json["order_ref"]);
}

const ref = (id: string) => `http://keys.test:9311/v1/secrets/${id}`;

export const pageOfOrders = operation(
  import.meta.url,
  "pageOfOrders",
  function* (p: { readonly id: string }) {
    return yield* all<Readonly<Record<string, unknown>>>("SELECT * FROM orders WHERE id = ?", p.id);
  },
);

/** Every one of these requests must be refused as what is not authentic is: 500, and not a word of why. */
async function refused(ask: Harness["ask"], requests: readonly string[]): Promise<void> {
  for (const request of requests) {
    const [method = "", path = ""] = request.split(" ");
    assertRefused(await ask(method, path), request);
  }
}

function assertRefused(answer: Answer, what: string): void {
  assert.equal(answer.status, 500, `${what}: ${answer.text}`);
  assert.equal(answer.text.includes("authentic"), false);
}

describe(`somebody who can write the database, on ${storeKind},`, () => {
  it("does not make a tenant's order return a key that the writer knows", async (t) => {
    const harness = await startHarness(t);
    const known = await newSecret(harness, mallory);
    for (const column of ["secret_id", "container_id"]) {
      const order = await newOrder(harness);
      const sql = `UPDATE orders SET ${column} = ? WHERE id = ?`;
      await harness.store.write(tamper, { sql, args: [known, order] });
      await refused(harness.ask, [`GET /v1/orders/${order}`, "GET /v1/orders"]);
      assertRefused(await harness.ask("DELETE", `/v1/orders/${order}`), "DELETE");
      await harness.store.write(tamper, { sql: "DELETE FROM orders WHERE id = ?", args: [order] });
    }
  });

  it("does not pass another tenant's order off as the tenant's", async (t) => {
    const harness = await startHarness(t);
    const order = await newOrder(harness);
    const sql = "UPDATE orders SET project_id = 'other' WHERE id = ?";
    await harness.store.write(tamper, { sql, args: [order] });
    await refused(harness.ask, [`GET /v1/orders/${order}`]);
    assertRefused(await harness.ask("GET", `/v1/orders/${order}`, { token: mallory }), "mallory");
  });

  it("does not have an order carried out again for another user", async (t) => {
    const harness = await startHarness(t);
    const { ask, store } = harness;
    const pair = { type: "asymmetric", meta: { algorithm: "ed25519", bit_length: 256 } };
    const order = async () => {
      const made = await ask("POST", "/v1/orders", { body: pair });
      const path = `/v1/orders/${idOf(made.json["order_ref"])}`;
      for (let tries = 0; (await ask("GET", path)).json["status"] === "PENDING"; tries++) {
        assert.ok(tries < 10_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return idOf(path);
    };
    const first = await order();
    await store.write(tamper, {
      sql: "UPDATE orders SET status = 'PENDING', project_id = 'other', created = '2000' WHERE id = ?",
      args: [first],
    });
    await order();
    assert.equal((await ask("GET", "/v1/secrets", { token: mallory })).json["total"], 0);
  });

  it("does not make a key look longer, stronger, or like another than it is", async (t) => {
    const harness = await startHarness(t);
    for (const [column, value] of [
      ["name", "another"],
      ["secret_type", "passphrase"],
      ["algorithm", "des"],
      ["bit_length", "56"],
      ["mode", "ecb"],
      ["content_type", "application/octet-stream"],
      ["created", "2020-01-01T00:00:00.000000"],
      ["updated", "2020-01-01T00:00:00.000000"],
      ["expiration", "2020-01-01T00:00:00.000000"],
      ["deleted", "2020-01-01T00:00:00.000000"],
    ] as const) {
      const id = await newSecret(harness, undefined, { algorithm: "aes", bit_length: 256 });
      const sql = `UPDATE secrets SET ${column} = ${column === "bit_length" ? value : "?"} WHERE id = ?`;
      const args = column === "bit_length" ? [id] : [value, id];
      await harness.store.write(tamper, { sql, args });
      const path = `/v1/secrets/${id}`;
      await refused(harness.ask, [`GET ${path}`, `GET ${path}/payload`, `GET ${path}/metadata`]);
      assertRefused(await harness.ask("DELETE", path), column);
      // A row that a forged date hides from the list is missing there, as one that was deleted.
      if (column !== "expiration" && column !== "deleted")
        await refused(harness.ask, ["GET /v1/secrets"]);
      await harness.store.write(tamper, { sql: "DELETE FROM secrets WHERE id = ?", args: [id] });
    }
  });

  it("does not take a secret's payload away as if it never had one", async (t) => {
    const harness = await startHarness(t);
    const id = await newSecret(harness);
    const sql = "DELETE FROM payloads WHERE secret_id = ?";
    await harness.store.write(tamper, { sql, args: [id] });
    await refused(harness.ask, [`GET /v1/secrets/${id}/payload`]);
  });

  it("does not put a foreign key into a tenant's container, or drop one from it", async (t) => {
    const harness = await startHarness(t);
    const known = await newSecret(harness, mallory);
    for (const sql of [
      `UPDATE container_secrets SET secret_id = '${known}' WHERE container_id = ? AND name = 'b'`,
      "UPDATE container_secrets SET name = 'c' WHERE container_id = ? AND name = 'b'",
      "UPDATE container_secrets SET position = 7 WHERE container_id = ? AND name = 'b'",
      "DELETE FROM container_secrets WHERE container_id = ? AND name = 'b'",
      `INSERT INTO container_secrets (container_id, secret_id, name, position) VALUES (?, '${known}', 'c', 2)`,
      "UPDATE containers SET type = 'rsa' WHERE id = ?",
      "UPDATE containers SET name = 'another' WHERE id = ?",
    ]) {
      const members = [await newSecret(harness), await newSecret(harness)];
      const container = {
        type: "generic",
        name: "c",
        secret_refs: members.map((id, n) => ({ name: n === 0 ? "a" : "b", secret_ref: ref(id) })),
      };
      const made = await harness.ask("POST", "/v1/containers", { body: container });
      const id = idOf(made.json["container_ref"]);
      await harness.store.write(tamper, { sql, args: [id] });
      await refused(harness.ask, [`GET /v1/containers/${id}`, "GET /v1/containers"]);
      const added = { name: "d", secret_ref: ref(members[0] ?? "") };
      const more = await harness.ask("POST", `/v1/containers/${id}/secrets`, { body: added });
      assertRefused(more, sql);
      await harness.store.write(tamper, { sql: "DELETE FROM containers WHERE id = ?", args: [id] });
    }
  });

  it("does not change what is written beside a secret, or who is said to need it", async (t) => {
    const harness = await startHarness(t);
    const { ask, store } = harness;
    const id = await newSecret(harness);
    const other = await newSecret(harness);
    const path = `/v1/secrets/${id}`;
    const metadata = () => ask("PUT", `${path}/metadata`, { body: { metadata: { k: "v" } } });
    for (const sql of [
      "UPDATE secret_metadata SET value = 'w' WHERE secret_id = ?",
      "UPDATE secret_metadata SET key = 'l' WHERE secret_id = ?",
    ]) {
      await metadata();
      await store.write(tamper, { sql, args: [id] });
      await refused(ask, [`GET ${path}/metadata`]);
    }
    await metadata();
    const moved = "UPDATE secret_metadata SET secret_id = ? WHERE secret_id = ?";
    await store.write(tamper, { sql: moved, args: [other, id] });
    await refused(ask, [`GET /v1/secrets/${other}/metadata`]);
    const consumer = { service: "s", resource_type: "t", resource_id: "r" };
    await ask("POST", `${path}/consumers`, { body: consumer });
    for (const column of ["service", "resource_type", "resource_id", "created", "project_id"]) {
      const sql = `UPDATE secret_consumers SET ${column} = 'x' || ${column} WHERE secret_id = ?`;
      await store.write(tamper, { sql, args: [id] });
      await refused(ask, [`GET ${path}/consumers`]);
      const back = `UPDATE secret_consumers SET ${column} = substr(${column}, 2) WHERE secret_id = ?`;
      await store.write(tamper, { sql: back, args: [id] });
      assert.equal((await ask("GET", `${path}/consumers`)).status, 200);
    }
  });

  it("does not list a tenant's secrets by granting them in the index", async (t) => {
    const harness = await startHarness(t);
    const id = await newSecret(harness);
    const sql = "INSERT INTO acl_users (user_id, object_id) VALUES ('mallory', ?)";
    await harness.store.write(tamper, { sql, args: [id] });
    const answer = await harness.ask("GET", "/v1/secrets?acl_only=true", { token: mallory });
    assertRefused(answer, "list");
  });

  it("does not lift a project's quota", async (t) => {
    const harness = await startHarness(t);
    const { ask, store } = harness;
    const quotas = { project_quotas: { secrets: 0 } };
    const token = "root/p/admin";
    const set = await ask("PUT", "/v1/project-quotas/p", { token, body: quotas });
    assert.equal(set.status, 204);
    const sql = "UPDATE project_quotas SET secrets = 10 WHERE project_id = ?";
    await store.write(tamper, { sql, args: ["p"] });
    assertRefused(await ask("POST", "/v1/secrets", { body }), "POST");
    assertRefused(await ask("GET", "/v1/quotas"), "GET");
  });

  it("does not go on with a key of tags that leaked, once the root key is rotated", async (t) => {
    const folder = temporaryFolder(t);
    const file = new RootKeyFile(join(folder, "root-key"));
    const rootKeys = await file.create();
    const harness = await startHarness(t, { rootKeys });
    const { ask, store, server } = harness;
    const leaked = new RowTags([await systemKey(store, rootKeys, "row tags")]);
    const orders = [await newOrder(harness), await newOrder(harness), await newOrder(harness)];
    // A rotation that was cut short, after the key was made and some rows had got their new tags.
    const ring = await file.rotate();
    await admitRootKeys(store, ring, server.context.clock);
    const next = await systemKey(store, ring, "row tags, next");
    await store.startRowTags([next, await systemKey(store, ring, "row tags")]);
    await store.write(retagPage, { table: "orders", after: null, limit: 1 });
    await openRowTags(store, ring, server.context.clock);
    for (const order of orders) assert.equal((await ask("GET", `/v1/orders/${order}`)).status, 200);
    await rotateRootKey(server.context, file);
    for (const order of orders) {
      const url = `/v1/orders/${order}`;
      assert.equal((await ask("GET", url)).status, 200);
      const [row] = await store.read(pageOfOrders, { id: order });
      assert.ok(row);
      const { columns } = taggedTables.orders;
      const tag = leaked.of(["orders", ...columns.map((column) => row[column] as SqlValue)]);
      await store.write(putTag, { id: order, tag });
      assertRefused(await ask("GET", url), url);
    }
  });

  it("does not pass off a row without a tag as one from before rows had tags", async (t) => {
    const harness = await startHarness(t);
    const order = await newOrder(harness);
    const sql = "UPDATE orders SET tag = NULL WHERE id = ?";
    await harness.store.write(tamper, { sql, args: [order] });
    await refused(harness.ask, [`GET /v1/orders/${order}`]);
  });
});

/** With a second user, mallory, who has no role. */
async function start(t: TestContext) {
  const harness = await startBuiltinHarness(t);
  const { administration, store, ask } = harness;
  await administration.createUser({ name: "mallory", password: "of mallory" });
  const write = (sql: string, ...args: readonly string[]) => store.write(tamper, { sql, args });
  const logIn = (password: string, who = {}) =>
    ask("POST", "/v3/auth/tokens", { token: null, body: login(password, who) });
  return { ...harness, write, logIn };
}

describe(`somebody who can write the tables of built-in identity, on ${storeKind},`, () => {
  const asMallory = { name: "mallory", project: "vault" };

  it("does not become any user with a known password", async (t) => {
    const { write, logIn } = await start(t);
    await write(
      "UPDATE identity_users SET password_hash = (SELECT password_hash FROM identity_users WHERE name = 'mallory') WHERE name = 'alice'",
    );
    assert.equal((await logIn("of mallory")).status, 500);
  });

  it("does not become any user by that user's name", async (t) => {
    const { write, logIn } = await start(t);
    await write("UPDATE identity_users SET name = 'old' WHERE name = 'alice'");
    await write("UPDATE identity_users SET name = 'alice' WHERE name = 'mallory'");
    assert.equal((await logIn("of mallory")).status, 500);
  });

  it("does not enable a user or a project again", async (t) => {
    const { write, logIn, administration } = await start(t);
    await administration.setUserEnabled("alice", false);
    await write("UPDATE identity_users SET enabled = 1 WHERE name = 'alice'");
    assert.equal((await logIn("secret")).status, 500);
    await administration.grantRole("mallory", "vault", "member");
    await administration.setProjectEnabled("vault", false);
    await write("UPDATE identity_projects SET enabled = 1 WHERE name = 'vault'");
    assert.equal((await logIn("of mallory", asMallory)).status, 500);
  });

  it("does not become an administrator", async (t) => {
    const { write, logIn, administration } = await start(t);
    const insert = `INSERT INTO identity_assignments (user_id, project_id, role)
      SELECT u.id, p.id, 'admin' FROM identity_users u, identity_projects p
      WHERE u.name = 'mallory' AND p.name = 'vault'`;
    await write(insert);
    assert.equal((await logIn("of mallory", asMallory)).status, 500);
    await write("DELETE FROM identity_assignments WHERE role = 'admin'");
    await administration.grantRole("mallory", "vault", "member");
    await write(
      "UPDATE identity_assignments SET role = 'admin' WHERE user_id IN (SELECT id FROM identity_users WHERE name = 'mallory')",
    );
    assert.equal((await logIn("of mallory", asMallory)).status, 500);
  });

  it("does not take another user's role", async (t) => {
    const { write, logIn } = await start(t);
    await write(
      "UPDATE identity_assignments SET user_id = (SELECT id FROM identity_users WHERE name = 'mallory')",
    );
    assert.equal((await logIn("of mallory", asMallory)).status, 500);
  });

  it("does not make a token, or one that never ends", async (t) => {
    const { write, logIn, ask, store } = await start(t);
    const token = String((await logIn("secret")).headers["x-subject-token"]);
    assert.equal((await ask("GET", "/v1/secrets", { token })).status, 200);
    const known = newToken();
    const hash = tokenHash(known);
    await write(
      `INSERT INTO identity_tokens (hash, user_id, project_id, application_credential_id, methods, audit_ids, issued, expires)
       SELECT '${hash}', user_id, project_id, application_credential_id, methods, audit_ids, issued, expires FROM identity_tokens`,
    );
    const forged = await ask("GET", "/v1/secrets", { token: known });
    assert.notEqual(forged.status, 200);
    await write(`DELETE FROM identity_tokens WHERE hash = '${hash}'`);
    await write("UPDATE identity_tokens SET expires = '2999-01-01T00:00:00.000000'");
    // Not by a request: the server that issued it remembers it for some seconds.
    const found = new SqlIdentityStore(store).findToken(tokenHash(token));
    await assert.rejects(found, /not authentic/);
  });

  it("does not widen what an application credential may do", async (t) => {
    const { write, logIn, ask, administration } = await start(t);
    await administration.grantRole("alice", "vault", "admin");
    const session = await logIn("secret");
    const token = String(session.headers["x-subject-token"]);
    const { id: userId } = await administration.findUser("alice");
    for (const change of [
      `roles = '["admin"]'`,
      "unrestricted = 1",
      "access_rules = NULL",
      "expires = NULL",
      "user_id = (SELECT id FROM identity_users WHERE name = 'mallory')",
    ]) {
      const made = await ask("POST", `/v3/users/${userId}/application_credentials`, {
        token,
        body: {
          application_credential: {
            name: change.slice(0, 5),
            roles: [{ name: "member" }],
            expires_at: "2999-01-01T00:00:00",
            access_rules: [{ path: "/v1/secrets", method: "GET", service: "key-manager" }],
          },
        },
      });
      assert.equal(made.status, 201, made.text);
      const { id, secret } = made.json["application_credential"] as Record<string, string>;
      await write(`UPDATE identity_application_credentials SET ${change} WHERE id = '${id}'`);
      const answer = await ask("POST", "/v3/auth/tokens", {
        token: null,
        body: {
          auth: {
            identity: {
              methods: ["application_credential"],
              application_credential: { id, secret },
            },
          },
        },
      });
      assert.equal(answer.status, 500, change);
    }
  });
});
