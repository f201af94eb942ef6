import assert from "node:assert/strict";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../host/wait-for.ts";
import { type Postgres, startPostgres } from "../postgres/postgres.ts";
import { KeyServerProcess, ServerFolder, type ServerSettings } from "../server/key-server.ts";
import { makeTenants } from "../server/tenants.ts";

/** Several nodes of one key server: a request goes to one, and, if that one does not answer, once more to the next. */
class Cluster {
  readonly folder = new ServerFolder();
  readonly nodes: KeyServerProcess[] = [];
  /** Requests that a node failed and the next one answered. */
  cured = 0;
  /** Requests that the next one failed too. */
  readonly uncured: string[] = [];
  readonly #settings: ServerSettings;
  #token = "";

  private constructor(settings: ServerSettings) {
    this.#settings = settings;
  }

  static async start(count: number, settings: ServerSettings = {}): Promise<Cluster> {
    const cluster = new Cluster(settings);
    while (cluster.nodes.length < count) await cluster.startNode(cluster.nodes.length);
    const [first] = cluster.nodes;
    const password = cluster.folder.adminPassword();
    const { alice } = await makeTenants(first?.url ?? "", password, ["alice"]);
    cluster.#token = await alice.token();
    return cluster;
  }

  async startNode(index: number): Promise<void> {
    this.nodes[index] = await KeyServerProcess.start(this.folder, this.#settings);
  }

  /** @throws Error if two nodes in a row do not answer, or if one refuses */
  async ask(from: number, method: string, path: string, body?: object): Promise<Buffer> {
    const failures: string[] = [];
    for (const index of [from, from + 1]) {
      const node = this.nodes[index % this.nodes.length];
      try {
        const answer = await fetch(`${node?.url}${path}`, {
          method,
          headers: { "x-auth-token": this.#token, "content-type": "application/json" },
          ...(body && { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(30_000),
        });
        const bytes = Buffer.from(await answer.arrayBuffer());
        if (answer.ok) {
          if (failures.length > 0) this.cured += 1;
          return bytes;
        }
        failures.push(`${answer.status} ${bytes.toString().slice(0, 200)}`);
        if (answer.status < 500) break;
      } catch (error) {
        failures.push(String(error));
      }
    }
    const said = `${method} ${path}: ${failures.join("; then ")}`;
    this.uncured.push(said);
    throw new Error(said);
  }

  async json(from: number, method: string, path: string, body?: object): Promise<Answer> {
    return JSON.parse((await this.ask(from, method, path, body)).toString()) as Answer;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await node.stop();
    this.folder.remove();
  }
}

interface Answer {
  readonly secret_ref?: string;
  readonly order_ref?: string;
  readonly status?: string;
  readonly total?: number;
  readonly orders?: readonly Answer[];
}

const pairOrder = (name: string) => ({
  type: "asymmetric",
  meta: { name, algorithm: "rsa", bit_length: 4096 },
});
const keyOrder = (name: string) => ({
  type: "key",
  meta: { name, algorithm: "aes", bit_length: 256, mode: "cbc" },
});
const pathOf = (ref = "") => new URL(ref).pathname;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe("three nodes on one PostgreSQL under load, one killed", () => {
  const secretCount = 1_500;
  let postgres: Postgres;
  let url: string;
  let cluster: Cluster;
  /** What was acknowledged: a secret's path and its payload's digest, an order's path. */
  const secrets = new Map<string, string>();
  const orders: string[] = [];
  before(async () => {
    postgres = await startPostgres();
    url = await postgres.createDatabase();
    cluster = await Cluster.start(3, { database: url });
  });
  after(async () => {
    await cluster.stop();
    await postgres.dropDatabase(url);
    await postgres.stop();
  });

  const count = (sql: string) => Number(postgres.sql(url, `select count(*) from ${sql}`));

  /** One client: stores a secret at a node and reads it back from the next; now and then orders a key. */
  async function client(number: number): Promise<void> {
    while (secrets.size < secretCount) {
      const payload = randomBytes(randomInt(1, 4_096));
      const at = number + secrets.size;
      const stored = await cluster.json(at, "POST", "/v1/secrets", {
        name: "stored",
        payload: payload.toString("base64"),
        payload_content_type: "application/octet-stream",
        payload_content_encoding: "base64",
      });
      const path = pathOf(stored.secret_ref);
      secrets.set(path, sha256(payload));
      assert.deepEqual(await cluster.ask(at + 1, "GET", `${path}/payload`), payload);
      if (secrets.size % 10 === 0) await order(at, keyOrder("key"));
    }
  }

  async function order(at: number, body: object): Promise<void> {
    orders.push(pathOf((await cluster.json(at, "POST", "/v1/orders", body)).order_ref));
  }

  /** Kills the second node while each of the three makes a key pair. */
  async function killAtWork(): Promise<void> {
    // Together: the answer to each waits for its pair.
    const ordered = Promise.all(Array.from({ length: 6 }, (_, n) => order(n, pairOrder("pair"))));
    await waitFor(
      "an order claimed by each node",
      60,
      () =>
        count("orders where status = 'PENDING' and claimed_until is not null") >= 3 || undefined,
    );
    await cluster.nodes[1]?.kill();
    await ordered;
  }

  it("cures every failed request by one retry on another node", async (t) => {
    const clients = Promise.all(Array.from({ length: 16 }, (_, number) => client(number)));
    await waitFor("a third of the load", 60, () => secrets.size > secretCount / 3 || undefined);
    await killAtWork();
    await waitFor(
      "two thirds of the load",
      60,
      () => secrets.size > (secretCount * 2) / 3 || undefined,
    );
    await cluster.startNode(1);
    await clients;
    t.diagnostic(`${secrets.size} secrets, ${orders.length} orders, ${cluster.cured} retries`);
    assert.deepEqual(cluster.uncured, []);
    assert.ok(cluster.cured > 0, "the kill was felt");
  });

  it("has every acknowledged secret, byte for byte, at every node", async () => {
    const paths = [...secrets];
    for (const [index] of cluster.nodes.entries()) {
      const readers = Array.from({ length: 16 }, async () => {
        for (let next = paths.pop(); next; next = paths.pop()) {
          const [path, digest] = next;
          assert.equal(sha256(await cluster.ask(index, "GET", `${path}/payload`)), digest);
        }
      });
      await Promise.all(readers);
      paths.push(...secrets);
    }
    assert.deepEqual(cluster.uncured, []);
  });

  it("carries out every order exactly once, those of the killed node too", async () => {
    const left = () => count("orders where status = 'PENDING'");
    // As many as a node makes of one project.
    const most = Math.min(Math.max(availableParallelism(), 2), 4) - 1;
    const alive = () =>
      waitFor("what the living have claimed", 60, () => left() <= most || undefined);
    // Should the node have finished its order in the moment before it was killed, it is killed again.
    for (await alive(); left() === 0; await alive()) {
      await killAtWork();
      await cluster.startNode(1);
    }
    // What a dead node had claimed is another's a minute later.
    await waitFor("the end of all orders", 150, () => left() === 0 || undefined);
    for (const path of orders)
      assert.equal((await cluster.json(0, "GET", path)).status, "ACTIVE", path);
    // Of an order whose answer was lost nobody knows; it counts all the same.
    const pairs = count("orders where type = 'asymmetric'");
    assert.equal(count("containers"), pairs);
    assert.equal(
      postgres.sql(url, "select count(distinct container_id) from orders").trim(),
      `${pairs}`,
    );
    assert.equal(count("secrets where name = 'pair'"), 2 * pairs);
    const keys = count("orders where type = 'key'");
    assert.equal(count("secrets where name = 'key'"), keys);
    assert.equal(
      postgres.sql(url, "select count(distinct secret_id) from orders").trim(),
      `${keys}`,
    );
    assert.equal(pairs + keys >= orders.length, true);
  });
});

describe("one node on SQLite, killed while it makes key pairs", () => {
  it("finishes each order once after the restart, however often it is killed", async () => {
    const cluster = await Cluster.start(1);
    try {
      for (let n = 0; n < 3; n += 1) {
        // Killed before the answer, which waits for the pair.
        const lost = cluster
          .json(0, "POST", "/v1/orders", pairOrder(`pair-${n}`))
          .catch(() => undefined);
        const total = async () => (await cluster.json(0, "GET", "/v1/orders")).total ?? 0;
        await waitFor("the order", 60, async () => (await total()) > n || undefined);
        await cluster.nodes[0]?.kill();
        await lost;
        await cluster.startNode(0);
      }
      const listed = (await cluster.json(0, "GET", "/v1/orders")).orders ?? [];
      const orders = listed.map((one) => pathOf(one.order_ref));
      assert.equal(orders.length, 3);
      for (const path of orders)
        await waitFor(
          `the end of ${path}`,
          60,
          async () => (await cluster.json(0, "GET", path)).status === "ACTIVE" || undefined,
        );
      assert.equal((await cluster.json(0, "GET", "/v1/containers")).total, orders.length);
      assert.equal((await cluster.json(0, "GET", "/v1/secrets")).total, 2 * orders.length);
    } finally {
      await cluster.stop();
    }
  });
});
