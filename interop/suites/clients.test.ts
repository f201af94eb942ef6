import { after, before, describe, it } from "node:test";
import { startBarbicanLab } from "../barbican/lab.ts";
import { makeTenant } from "../barbican/tenant.ts";
import { walkWithOpenstack, walkWithPython } from "../clients/walks.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";
import { keystoneMode } from "../server/keystone-mode.ts";
import { makeTenants } from "../server/tenants.ts";

/** A server of ours, and a member of an empty project on it. */
interface Scene {
  readonly url: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly otherUserId: string;
  close(): Promise<void>;
}

const scenes: Readonly<Record<string, () => Promise<Scene>>> = {
  async "with identity of its own"() {
    const folder = new ServerFolder();
    const server = await KeyServerProcess.start(folder);
    const tenants = await makeTenants(server.url, folder.adminPassword(), ["alice", "bob"]);
    return {
      url: server.url,
      environment: tenants.alice.environment,
      otherUserId: tenants.bob.userId,
      async close() {
        await server.stop();
        folder.remove();
      },
    };
  },

  async "with the real Keystone"() {
    const lab = await startBarbicanLab();
    const folder = new ServerFolder();
    const server = await KeyServerProcess.start(folder, keystoneMode(lab));
    const tenant = await makeTenant(lab);
    // As an operator does it: the catalog says where the key manager is.
    const admin = await lab.admin();
    const region = `clients-${tenant.projectId}`;
    for (const [type, url] of [
      ["identity", lab.keystoneUrl],
      ["key-manager", server.url],
    ] as const)
      await admin.ensureEndpoint(await admin.serviceId(type), region, url);
    return {
      url: server.url,
      environment: { ...tenant.environment(), OS_REGION_NAME: region },
      otherUserId: lab.users.demo2.id,
      async close() {
        await admin.removeRegion(region);
        await tenant.remove();
        await server.stop();
        folder.remove();
        await lab.stop();
      },
    };
  },
};

for (const [name, open] of Object.entries(scenes))
  describe(`Debian's clients on our server ${name}`, () => {
    let scene: Scene;
    before(async () => {
      scene = await open();
    });
    after(() => scene.close());

    it("openstack: secrets, orders, containers and ACLs, every command", () =>
      walkWithOpenstack(scene.environment, scene.url, scene.otherUserId));

    it("Castellan: every kind of object; python-barbicanclient: consumers", () =>
      walkWithPython(scene.environment, scene.url));
  });
