import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { brotliDecompressSync } from "node:zlib";
import {
  type Consumer,
  type KeyManager,
  MemoryKeyManager,
  type ObjectId,
  objectId,
  type ProjectCaller,
  SecretBytes,
} from "@chatelaine/keys";
import { readLuks } from "@chatelaine/luks";
import {
  deleteVolume,
  type Ledger,
  openLedger,
  openPostgresLedger,
  type PostgresPool,
  recover,
  type VolumeContext,
  verifyVolume,
  verifyVolumes,
  withVolumeData,
} from "../src/index.ts";
import { readMigrations } from "../src/ledger/migrations.ts";

const fixture = new URL("fixtures/ledger-2da0dde/", import.meta.url);
const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
/** A database that a test may make a schema in. */
const database = process.env["CHATELAINE_TEST_DATABASE"];

interface SavedKey {
  readonly id: string;
  readonly name: string;
  readonly hex: string;
  readonly consumers: readonly Consumer[];
}

describe("a ledger that version 2da0dde wrote", () => {
  let directory: string;
  let path: string;
  let keys: MemoryKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-upgrade-"));
    path = join(directory, "volume.img");
    await writeFile(path, brotliDecompressSync(await readFile(new URL("volume.img.br", fixture))));
    const file = join(directory, "ledger.sqlite");
    await copyFile(new URL("ledger.sqlite", fixture), file);
    const tables = new DatabaseSync(file);
    tables.exec(`UPDATE volumes SET location = replace(location, '/fixture', '${directory}')`);
    tables.exec(`UPDATE operations SET input = replace(input, '/fixture', '${directory}')`);
    tables.close();
    keys = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: file });
    volumes = { keyManager: await savedKeys(keys), caller, ledger };
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const layout = async () => (await ledger.volumeAt(path))?.layout;
  const firstWord = () =>
    withVolumeData(volumes, path, async (disk) => {
      const bytes = Buffer.alloc(8);
      await disk.read(0, bytes);
      return bytes.toString();
    });

  it("opens, and lists its volumes as not recorded", async () => {
    const [listed, ...others] = await verifyVolumes(volumes);
    assert.deepEqual(
      [listed?.outcome, listed?.layoutRecord, others],
      ["done", "missing", []],
      String(listed?.problem),
    );
    assert.equal(await layout(), undefined);
  });

  it("has its rows filled by the first open", async () => {
    await recover(volumes);
    assert.equal(await firstWord(), "precious");
    assert.equal((await verifyVolume(volumes, path)).layoutRecord, "recorded");
    assert.deepEqual(
      { ...(await layout()), digest: "" },
      {
        format: "luks2",
        cipher: "aes-xts-plain64",
        volumeKeyBitLength: 512,
        sectorSize: 512,
        dataOffset: 16 * 1024 * 1024,
        size: 4096,
        digest: "",
      },
    );
  });

  it("has the rekey finished that was cut, and its old key deleted", async () => {
    const [recovered] = await recover(volumes);
    assert.deepEqual([recovered?.operation, recovered?.outcome], ["change-key", "finished"]);
    assert.equal((await readLuks(path)).keyslots.length, 1);
    const { keyId } = await verifyVolume(volumes, path);
    assert.deepEqual(
      (await Array.fromAsync(volumes.keyManager.list(caller))).map(({ id }) => id),
      [keyId],
    );
    assert.equal((await deleteVolume(volumes, path)).keyDeleted, true);
    assert.equal((await Array.fromAsync(keys.list(caller))).length, 0);
  });

  it("is refused by that version once this one has opened it", async () => {
    // What that version checks: every applied migration must be one that it has.
    const tables = new DatabaseSync(join(directory, "ledger.sqlite"));
    const numbers = tables.prepare("SELECT number FROM migrations ORDER BY number").all();
    tables.close();
    assert.deepEqual(
      numbers.map((row) => row["number"]),
      [1, 2, 3],
    );
  });
});

describe("a ledger in PostgreSQL that version 2da0dde wrote", {
  skip: database === undefined,
}, () => {
  it("gets the column for layouts, and keeps its rows", async () => {
    const { default: pg } = (await import("pg")) as {
      readonly default: {
        readonly Pool: new (options: object) => PostgresPool & { end(): Promise<void> };
      };
    };
    const schema = `upgrade_${randomUUID().replaceAll("-", "").slice(0, 12)}`;
    const pool = new pg.Pool({ connectionString: database });
    const connection = await pool.connect();
    const query = (text: string, values: unknown[] = []) => connection.query(text, values);
    try {
      await query(`CREATE SCHEMA ${schema}`);
      await query(`SET search_path TO ${schema}`);
      const [first] = readMigrations("postgres");
      assert.ok(first);
      await query(first.script);
      await query(
        "CREATE TABLE migrations (number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied bigint NOT NULL)",
      );
      await query("INSERT INTO migrations VALUES (1, $1, $2, 0)", [first.name, first.checksum]);
      await query(
        `INSERT INTO volumes VALUES ('v', 'volume', 'a', 'one', '/v', 'luks2', 'aes-xts-plain64',
          NULL, 'ready', NULL, NULL, '{}', 1, 1)`,
      );
      const ledger = await openPostgresLedger({ pool, host: "one", schema });
      const row = await ledger.volume("v");
      assert.deepEqual([row?.location, row?.layout], ["/v", undefined]);
      await ledger.close();
      const { rows } = await query("SELECT number FROM migrations ORDER BY number");
      assert.deepEqual(
        rows.map((migration) => Number(migration["number"])),
        [1, 2],
      );
    } finally {
      await query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
      connection.release();
      await pool.end();
    }
  });
});

/** The saved objects, under the ids that they had. */
async function savedKeys(keys: MemoryKeyManager): Promise<KeyManager> {
  const saved = JSON.parse(
    await readFile(new URL("keys.json", fixture), "utf8"),
  ) as readonly SavedKey[];
  const now = new Map<ObjectId, ObjectId>();
  for (const { id, name, hex, consumers } of saved) {
    const value = new SecretBytes(Buffer.from(hex, "hex"));
    const stored = await keys.store(caller, { type: "symmetric", algorithm: "aes", name, value });
    for (const consumer of consumers) await keys.addConsumer(caller, stored, consumer);
    now.set(objectId(id), stored);
  }
  const then = new Map([...now].map(([before, after]) => [after, before]));
  const old = <T extends { readonly id: ObjectId }>(object: T): T => ({
    ...object,
    id: then.get(object.id) ?? object.id,
  });
  return new Proxy(keys, {
    get(target, property) {
      const method = Reflect.get(target, property) as unknown;
      if (typeof method !== "function") return method;
      if (property === "list") {
        return async function* (...args: Parameters<KeyManager["list"]>) {
          for await (const info of target.list(...args)) yield old(info);
        };
      }
      return async (who: unknown, id: ObjectId, ...rest: unknown[]) => {
        const result: unknown = await method.call(target, who, now.get(id) ?? id, ...rest);
        const isObject = property === "get" || property === "describe";
        return isObject ? old(result as { readonly id: ObjectId }) : result;
      };
    },
  });
}
