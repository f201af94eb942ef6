import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Caller, type KeyManagerErrorCode, objectId, SecretBytes } from "@chatelaine/keys";
import { BarbicanClient } from "@chatelaine/keys/barbican";
import { labCaller } from "../barbican/callers.ts";
import { type BarbicanLab, startBarbicanLab } from "../barbican/lab.ts";

const unknown = objectId("5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f");
const octets = (text: string) => ({
  bytes: SecretBytes.fromText(text),
  contentType: "application/octet-stream",
});

/** Rejects with that code, whatever the message. */
const code = (expected: KeyManagerErrorCode) => ({ name: "KeyManagerError", code: expected });

for (const mode of ["legacy", "secure"] as const) {
  describe(`every call of the REST client, real Barbican, ${mode} policy`, () => {
    const tally = new Map<string, number>();
    let lab: BarbicanLab;
    let client: BarbicanClient;
    let owner: Caller;
    let admin: Caller;

    before(async () => {
      lab = await startBarbicanLab();
      client = counted(new BarbicanClient({ region: lab.regions[mode] }), tally);
      owner = labCaller(lab, "admin", "demo");
      admin = labCaller(lab, "admin");
    });
    after(() => lab.stop());

    async function secret(name: string, text = "secret"): Promise<ReturnType<typeof objectId>> {
      return client.secrets.create(owner, { type: "opaque", name, payload: octets(text) });
    }

    it("discovers the newest version that both speak", async () => {
      assert.equal(await client.connection.microversion(owner), "1.1");
      assert.equal(
        await client.connection.endpoint(owner),
        mode === "legacy" ? lab.legacyUrl : lab.secureUrl,
      );
    });

    it("keeps secrets: one step, two steps, metadata, payload, deletion", async () => {
      const expiration = new Date(Date.now() + 3_600_000);
      const id = await client.secrets.create(owner, {
        type: "symmetric",
        name: "interop-client",
        algorithm: "aes",
        bitLength: 128,
        mode: "cbc",
        expiration,
        payload: octets("0123456789abcdef"),
      });
      const document = await client.secrets.get(owner, id);
      const { type, name, algorithm, bitLength, mode: cipherMode, status, contentType } = document;
      assert.deepEqual(
        { type, name, algorithm, bitLength, cipherMode, status, contentType },
        {
          type: "symmetric",
          name: "interop-client",
          algorithm: "aes",
          bitLength: 128,
          cipherMode: "cbc",
          status: "ACTIVE",
          contentType: "application/octet-stream",
        },
      );
      assert.equal(document.creatorId, lab.users.admin.id);
      const payload = await client.secrets.payload(owner, id);
      assert.ok(payload.equals(SecretBytes.fromText("0123456789abcdef")));

      const empty = await client.secrets.create(owner, { type: "opaque", name: "interop-client" });
      assert.equal((await client.secrets.get(owner, empty)).contentType, undefined);
      await assert.rejects(client.secrets.payload(owner, empty), code("not_found"));
      const large = SecretBytes.random(15_000);
      await client.secrets.putPayload(owner, empty, {
        bytes: large,
        contentType: "application/octet-stream",
      });
      assert.ok((await client.secrets.payload(owner, empty)).equals(large));
      await assert.rejects(
        client.secrets.putPayload(owner, empty, octets("again")),
        code("conflict"),
      );

      for (const made of [id, empty]) await client.secrets.delete(owner, made);
      await assert.rejects(client.secrets.get(owner, id), code("not_found"));
    });

    it("lists secrets: filters, sorting, pages", async () => {
      const ids = [];
      for (const name of ["interop-b", "interop-c", "interop-a"]) ids.push(await secret(name));
      const sorted = await client.secrets.list(owner, { name: "interop-_", sort: ["name:asc"] });
      assert.deepEqual(
        sorted.items.map((item) => item.name),
        ["interop-a", "interop-b", "interop-c"],
      );
      assert.equal(sorted.total, 3);
      const page = await client.secrets.list(
        owner,
        { name: "interop-_", sort: ["name:desc"], secret_type: "opaque" },
        { limit: 1, offset: 1 },
      );
      assert.deepEqual([page.items.map((item) => item.name), page.total], [["interop-b"], 3]);
      const none = await client.secrets.list(owner, {
        name: "interop-_",
        created: "lt:2000-01-01T00:00:00",
      });
      assert.equal(none.total, 0);
      for (const id of ids) await client.secrets.delete(owner, id);
    });

    it("keeps user metadata", async () => {
      const id = await secret("interop-metadata");
      const { secretMetadata } = client;
      await secretMetadata.replace(owner, id, { volume: "v1", note: "é" });
      await secretMetadata.add(owner, id, "added", "1");
      await assert.rejects(secretMetadata.add(owner, id, "added", "2"), code("conflict"));
      await secretMetadata.set(owner, id, "volume", "v2");
      await assert.rejects(secretMetadata.set(owner, id, "nothing", "x"), code("not_found"));
      assert.equal(await secretMetadata.get(owner, id, "volume"), "v2");
      await secretMetadata.remove(owner, id, "added");
      assert.deepEqual(await secretMetadata.all(owner, id), { volume: "v2", note: "é" });
      await client.secrets.delete(owner, id);
    });

    it("keeps who needs a secret", async () => {
      const id = await secret("interop-consumers");
      const consumer = { service: "volume", resourceType: "volume", resourceId: "v1" };
      await client.secretConsumers.add(owner, id, consumer);
      await client.secretConsumers.add(owner, id, consumer);
      const listed = await client.secretConsumers.list(owner, id);
      assert.deepEqual([listed.items, listed.total], [[consumer], 1]);
      assert.deepEqual((await client.secrets.get(owner, id)).consumers, [consumer]);
      await client.secretConsumers.remove(owner, id, consumer);
      await assert.rejects(client.secretConsumers.remove(owner, id, consumer), code("not_found"));
      await client.secrets.delete(owner, id);
    });

    it("keeps who may read a secret, and a container", async () => {
      const id = await secret("interop-acl");
      const container = await client.containers.create(owner, { type: "generic", members: [] });
      const userIds = [lab.users.demo2.id];
      for (const [acls, subject] of [
        [client.secretAcls, id],
        [client.containerAcls, container],
      ] as const) {
        assert.deepEqual(await acls.get(owner, subject), { projectAccess: true, userIds: [] });
        await acls.replace(owner, subject, { projectAccess: false, userIds });
        assert.deepEqual(await acls.get(owner, subject), { projectAccess: false, userIds });
        await acls.update(owner, subject, { projectAccess: true });
        assert.deepEqual(await acls.get(owner, subject), { projectAccess: true, userIds });
        await acls.delete(owner, subject);
        assert.deepEqual(await acls.get(owner, subject), { projectAccess: true, userIds: [] });
      }
      await client.containers.delete(owner, container);
      await client.secrets.delete(owner, id);
    });

    it("orders keys and key pairs", async () => {
      const meta = { name: "interop-order", algorithm: "aes", bitLength: 256 };
      const key = await client.orders.create(owner, "key", meta);
      const done = await client.orders.get(owner, key);
      assert.deepEqual([done.status, done.type, done.name], ["ACTIVE", "key", "interop-order"]);
      const pair = await client.orders.create(owner, "asymmetric", {
        name: "interop-pair",
        algorithm: "rsa",
        bitLength: 2048,
      });
      const { containerId } = await client.orders.get(owner, pair);
      assert.ok(containerId);
      const listed = await client.orders.list(owner, { meta: "interop-pair" });
      assert.deepEqual(
        listed.items.map((item) => item.id),
        [pair],
      );
      const container = await client.containers.get(owner, containerId);
      assert.equal(container.type, "rsa");
      for (const { secretId } of container.members) await client.secrets.delete(owner, secretId);
      await client.containers.delete(owner, containerId);
      if (done.secretId !== undefined) await client.secrets.delete(owner, done.secretId);
      for (const order of [key, pair]) await client.orders.delete(owner, order);
      await assert.rejects(client.orders.get(owner, key), code("not_found"));
    });

    it("keeps containers: generic, rsa, certificate, and who needs them", async () => {
      const [one, two] = [await secret("interop-one"), await secret("interop-two")];
      const generic = await client.containers.create(owner, {
        type: "generic",
        name: "interop-generic",
        members: [{ name: "one", secretId: one }],
      });
      await client.containers.addSecret(owner, generic, { name: "two", secretId: two });
      await client.containers.removeSecret(owner, generic, { name: "one", secretId: one });
      const { members } = await client.containers.get(owner, generic);
      assert.deepEqual(members, [{ name: "two", secretId: two }]);

      const rsa = await client.containers.create(owner, {
        type: "rsa",
        name: "interop-rsa",
        members: [
          { name: "public_key", secretId: one },
          { name: "private_key", secretId: two },
        ],
      });
      const certificate = await client.containers.create(owner, {
        type: "certificate",
        name: "interop-certificate",
        members: [{ name: "certificate", secretId: one }],
      });
      const listed = await client.containers.list(owner, { name: "interop-rsa" });
      assert.deepEqual(
        listed.items.map((item) => item.id),
        [rsa],
      );

      const consumer = { name: "load-balancer", url: "https://example.org/1" };
      await client.containerConsumers.add(owner, rsa, consumer);
      assert.deepEqual((await client.containerConsumers.list(owner, rsa)).items, [consumer]);
      assert.deepEqual((await client.containers.get(owner, rsa)).consumers, [consumer]);
      await client.containerConsumers.remove(owner, rsa, consumer);

      for (const id of [generic, rsa, certificate]) await client.containers.delete(owner, id);
      for (const id of [one, two]) await client.secrets.delete(owner, id);
    });

    it("reads quotas, and sets a project's", async () => {
      assert.equal((await client.quotas.effective(owner)).secrets, -1);
      const projectId = "00000000000000000000000000000042";
      // Debian's Barbican 15 lets only a system scope set quotas where scopes are enforced.
      if (mode === "secure") {
        const call = client.quotas.setProject(admin, projectId, { secrets: 3 });
        await assert.rejects(call, code("forbidden"));
        await assert.rejects(client.quotas.project(admin, projectId), code("forbidden"));
        await assert.rejects(client.quotas.resetProject(admin, projectId), code("forbidden"));
        await assert.rejects(client.quotas.listProjects(admin), code("forbidden"));
        return;
      }
      await client.quotas.setProject(admin, projectId, { secrets: 3, orders: 0 });
      const quotas = await client.quotas.project(admin, projectId);
      assert.deepEqual([quotas.secrets, quotas.orders], [3, 0]);
      const listed = await client.quotas.listProjects(admin);
      assert.ok(listed.items.some((item) => item.projectId === projectId));
      await client.quotas.resetProject(admin, projectId);
      await assert.rejects(client.quotas.project(admin, projectId), code("not_found"));
    });

    it("says when a quota is used up", async () => {
      const projectId = lab.projectIds["demo2"] ?? "";
      const legacy = new BarbicanClient({ region: lab.regions.legacy });
      await legacy.quotas.setProject(admin, projectId, { containers: 0 });
      try {
        const demo2 = labCaller(lab, "demo2");
        const call = client.containers.create(demo2, { type: "generic", members: [] });
        await assert.rejects(call, code("quota_exceeded"));
      } finally {
        await legacy.quotas.resetProject(admin, projectId);
      }
    });

    it("finds secret stores, where there are several", async () => {
      const { secretStores } = client;
      if (mode === "legacy") {
        for (const call of [
          () => secretStores.list(owner),
          () => secretStores.globalDefault(owner),
          () => secretStores.preferred(owner),
          () => secretStores.get(owner, unknown),
          () => secretStores.prefer(owner, unknown),
          () => secretStores.unprefer(owner, unknown),
        ]) {
          await assert.rejects(call(), code("unsupported"));
        }
        return;
      }
      const [store] = await secretStores.list(owner);
      assert.ok(store);
      assert.deepEqual(await secretStores.globalDefault(owner), store);
      assert.deepEqual(await secretStores.get(owner, store.id), store);
      await assert.rejects(secretStores.preferred(owner), code("not_found"));
      await secretStores.prefer(owner, store.id);
      assert.equal((await secretStores.preferred(owner)).id, store.id);
      await secretStores.unprefer(owner, store.id);
      await assert.rejects(secretStores.get(owner, unknown), code("not_found"));
    });

    it("has no transport keys where the store has none", async () => {
      const { transportKeys } = client;
      assert.deepEqual(await transportKeys.list(owner), { items: [], total: 0 });
      const key = { pluginName: "interop", transportKey: "none" };
      if (mode === "secure") {
        await assert.rejects(transportKeys.create(owner, key), code("forbidden"));
        await assert.rejects(transportKeys.delete(owner, unknown), code("forbidden"));
        // Barbican 15 answers 500 to an id that it does not know.
        await assert.rejects(transportKeys.get(owner, unknown), code("unavailable"));
        return;
      }
      const id = await transportKeys.create(admin, key);
      assert.deepEqual(await transportKeys.get(owner, id), { id, ...key });
      await transportKeys.delete(admin, id);
    });

    it("has been called in full", () => {
      assert.deepEqual(
        [...tally].filter(([, calls]) => calls === 0).map(([name]) => name),
        [],
      );
      assert.ok(tally.size > 45, `${tally.size} calls`);
    });
  });
}

/** Counts the calls of each public method of each resource of a client, by `resource.method`. */
function counted(client: BarbicanClient, tally: Map<string, number>): BarbicanClient {
  for (const [resource, calls] of Object.entries(client)) {
    if (resource === "connection") continue;
    const target = calls as Record<string, (...args: unknown[]) => unknown>;
    for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(target))) {
      if (method === "constructor") continue;
      const original = target[method]?.bind(target);
      if (original === undefined) continue;
      const name = `${resource}.${method}`;
      tally.set(name, 0);
      target[method] = (...args) => {
        tally.set(name, (tally.get(name) ?? 0) + 1);
        return original(...args);
      };
    }
  }
  return client;
}
