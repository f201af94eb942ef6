import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { startBarbicanLab } from "../barbican/lab.ts";
import { makeTenant } from "../barbican/tenant.ts";
import { compareClouds } from "../clients/cloud-comparison.ts";
import { openstack } from "../clients/openstack.ts";
import {
  buildGophercloud,
  type Subject,
  walkWithFog,
  walkWithHeat,
  walkWithOctavia,
  walkWithOpenstacksdk,
  walkWithSwift,
} from "../clients/programs.ts";
import { walkWithOpenstack, walkWithPython } from "../clients/walks.ts";
import {
  castellanSettings,
  commandsOfGuide,
  unknownOptions,
} from "../documents/nova-and-cinder.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";
import { keystoneMode } from "../server/keystone-mode.ts";
import { makeTenants } from "../server/tenants.ts";

/** A server of ours, and a member of an empty project on it. */
interface Scene extends Subject {
  readonly url: string;
  /** Who a service is that sends its own token along. */
  readonly service?: { readonly username: string; readonly password: string };
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
      other: tenants.bob,
      async close() {
        await server.stop();
        folder.remove();
      },
    };
  },

  async "with the real Keystone"() {
    const lab = await startBarbicanLab();
    const folder = new ServerFolder();
    const password = randomBytes(12).toString("hex");
    const service = { username: "chatelaine", password };
    const tenant = await makeTenant(lab);
    const region = `clients-${tenant.projectId}`;
    const administrator = lab.environment("admin");
    const admin = await lab.admin();
    await admin.ensureEndpoint(await admin.serviceId("identity"), region, lab.keystoneUrl);
    const asTheGuideSays = async (beginning: string, replace: Readonly<Record<string, string>>) => {
      const commands = await commandsOfGuide(beginning);
      assert.ok(commands.length > 0, beginning);
      for (const words of commands)
        await openstack(administrator, ...words.map((word) => replace[word] ?? word));
    };
    await asTheGuideSays("user create", { "--password-prompt": `--password=${password}` });
    await openstack(administrator, "user", "set", `--password=${password}`, service.username);
    await asTheGuideSays("role add", {});
    const { keystone, ...mode } = keystoneMode(lab);
    const server = await KeyServerProcess.start(folder, {
      ...mode,
      keystone: { ...(keystone as object), ...service },
    });
    // The lab's Keystone has a service of this type already, so the guide's command for that is left out.
    await asTheGuideSays("endpoint create", {
      RegionOne: region,
      "https://keys.example.com:9311": server.url,
    });
    return {
      url: server.url,
      environment: { ...tenant.environment(), OS_REGION_NAME: region },
      other: {
        userId: lab.users.demo2.id,
        environment: { ...lab.environment("demo2"), OS_REGION_NAME: region },
      },
      service,
      async close() {
        await admin.removeRegion(region);
        await openstack(administrator, "user", "delete", service.username);
        await tenant.remove();
        await server.stop();
        folder.remove();
        await lab.stop();
      },
    };
  },
};

let gophercloud: Awaited<ReturnType<typeof buildGophercloud>>;
before(async () => {
  gophercloud = await buildGophercloud();
});
after(() => gophercloud.remove());

for (const [name, open] of Object.entries(scenes))
  describe(`Debian's clients on our server ${name}`, () => {
    let scene: Scene;
    before(async () => {
      scene = await open();
    });
    after(() => scene.close());

    it("openstack: secrets, orders, containers and ACLs, every command", () =>
      walkWithOpenstack(scene.environment, scene.url, scene.other.userId));

    it("gophercloud by an auth_url without a version: secrets, orders, containers, consumers and ACLs", () =>
      gophercloud.walk(scene));

    it("fog-openstack by an auth_url without a version: secrets, containers and ACLs", () =>
      walkWithFog(scene));

    it("openstacksdk by an auth_url without a version: secrets, orders and containers, page by page", () =>
      walkWithOpenstacksdk(scene));

    it("Octavia: a certificate by the owner's leave, from PKCS12 and from a container", () =>
      walkWithOctavia(scene));

    // From here on, orders and containers stay: these clients do not delete what they ordered.
    it("Heat: secrets, orders and containers of a stack, made and deleted", () =>
      walkWithHeat(scene));

    it("Swift: its root encryption secret, and the next one", () => walkWithSwift(scene));

    it("Castellan by our guide: every kind of object; python-barbicanclient: consumers", async () => {
      const settings = await castellanSettings({
        keyServerUrl: scene.url,
        keystoneUrl: scene.environment["OS_AUTH_URL"] ?? "",
        ...(scene.service && { service: scene.service }),
      });
      await walkWithPython(scene.environment, scene.url, settings);
    });
  });

describe("docs/nova-and-cinder.md", () => {
  it("has options that Debian's Nova and Cinder know", async () => {
    assert.deepEqual(await unknownOptions(), []);
  });

  it("has volume commands that Debian's openstack knows", async () => {
    const commands = await commandsOfGuide("volume");
    assert.equal(commands.length, 2);
    for (const words of commands) {
      const options = words.filter((word) => word.startsWith("--"));
      const help = await openstack(
        {},
        ...words.slice(0, words.indexOf(options[0] ?? "")),
        "--help",
      );
      for (const option of options) assert.ok(help.includes(`${option} `), option);
    }
  });
});

describe("clouds.yaml", () => {
  it("makes our reader log in as openstacksdk does, or refuse for a reason that we document", async (t) => {
    const seed = Number(process.env["CHATELAINE_TEST_SEED"] ?? 1);
    const { same, bothRefused, excused, unexplained } = await compareClouds(500, seed);
    t.diagnostic(`seed ${seed}: ${same} same, ${bothRefused} refused by both`);
    for (const [reason, count] of excused) t.diagnostic(`${count} differ: ${reason}`);
    assert.deepEqual(unexplained, []);
    assert.ok(same > 200, "most clouds must work");
  });
});
