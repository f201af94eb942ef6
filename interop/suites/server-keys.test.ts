import { BarbicanKeyManager } from "@chatelaine/keys";
import { keepsTheKeyManagerPromises, type Setting } from "@chatelaine/keys/conformance";
import { labCaller } from "../barbican/callers.ts";
import { startBarbicanLab } from "../barbican/lab.ts";
import { startPostgres } from "../postgres/postgres.ts";
import { KeyServerProcess, ServerFolder, type ServerSettings } from "../server/key-server.ts";
import { keystoneMode } from "../server/keystone-mode.ts";
import { makeTenants } from "../server/tenants.ts";

/** A database for the server, and how to get rid of it. */
interface Database {
  readonly settings: ServerSettings;
  close(): Promise<void>;
}

const databases: Readonly<Record<string, () => Promise<Database>>> = {
  SQLite: async () => ({ settings: {}, close: async () => undefined }),
  async PostgreSQL() {
    const postgres = await startPostgres();
    const url = await postgres.createDatabase();
    return {
      settings: { database: url },
      async close() {
        await postgres.dropDatabase(url);
        await postgres.stop();
      },
    };
  },
};

for (const [name, open] of Object.entries(databases)) {
  keepsTheKeyManagerPromises(`our server on ${name} with identity of its own`, async () => {
    const database = await open();
    const folder = new ServerFolder();
    const server = await KeyServerProcess.start(folder, database.settings);
    const tenants = await makeTenants(server.url, folder.adminPassword(), ["alice", "bob"]);
    return {
      manager: new BarbicanKeyManager(),
      alice: tenants.alice.caller,
      bob: tenants.bob.caller,
      bobUserId: tenants.bob.userId,
      close: () => close(server, database, folder),
    };
  });

  keepsTheKeyManagerPromises(`our server on ${name} with the real Keystone`, async () => {
    const database = await open();
    const folder = new ServerFolder();
    const lab = await startBarbicanLab();
    const server = await KeyServerProcess.start(folder, {
      ...database.settings,
      ...keystoneMode(lab),
    });
    return {
      manager: new BarbicanKeyManager({ endpoint: server.url }),
      alice: labCaller(lab, "demo-member"),
      bob: labCaller(lab, "demo2"),
      bobUserId: lab.users.demo2.id,
      async close() {
        await close(server, database, folder);
        await lab.stop();
      },
    } satisfies Setting;
  });
}

async function close(server: KeyServerProcess, database: Database, folder: ServerFolder) {
  await server.stop();
  await database.close();
  folder.remove();
}
