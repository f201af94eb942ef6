import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MemoryKeyManager } from "@chatelaine/keys";
import { keepsTheLedgerPromises } from "../../packages/volumes/src/conformance/index.ts";
import {
  createVolume,
  type Ledger,
  reconcile,
  recover,
  rekeyVolume,
  rekeyVolumes,
  type VolumeContext,
} from "../../packages/volumes/src/index.ts";
import { checkInvariants, fingerprint } from "../../packages/volumes/test/kill/invariants.ts";
import { alice, callerOf, scenarios } from "../../packages/volumes/test/kill/scenarios.ts";
import { waitFor } from "../host/wait-for.ts";
import { losingCommits } from "../ledger/losing-commits.ts";
import { type LedgerPlace, openAt } from "../ledger/open-ledger.ts";
import { type Postgres, startPostgres } from "../postgres/postgres.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";
import { makeTenants } from "../server/tenants.ts";

const command = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));
const packageTests = fileURLToPath(new URL("../../packages/volumes/test/", import.meta.url));
const opener = new URL("../ledger/open-ledger.ts", import.meta.url);

let postgres: Postgres;
let url: string;
before(async () => {
  postgres = await startPostgres();
  url = await postgres.createDatabase();
});
after(async () => {
  await postgres.dropDatabase(url);
  await postgres.stop();
});

/** A ledger of a test's own. */
function newPlace(more: Partial<LedgerPlace> = {}): LedgerPlace & { readonly schema: string } {
  return { url, schema: `test_${randomBytes(6).toString("hex")}`, ...more };
}

keepsTheLedgerPromises("the PostgreSQL ledger", async () => {
  const place = newPlace();
  const tamper = async (sql: string) => {
    postgres.sql(url, `SET search_path TO ${place.schema}; ${sql}`);
  };
  return {
    open: () => openAt(place),
    tamper,
    elsewhere: { module: opener, argument: JSON.stringify(place) },
    remove: () => tamper(`DROP SCHEMA ${place.schema} CASCADE`),
  };
});

describe("a ledger in PostgreSQL", () => {
  it("is opened as the README of @chatelaine/volumes says", () => {
    const readme = readFileSync(
      new URL("../../packages/volumes/README.md", import.meta.url),
      "utf8",
    );
    const program = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? assert.fail("no program");
    const shown = /"(postgres:[^"]*)"/.exec(program)?.[1] ?? assert.fail("no URL");
    const end = "\nconsole.log(await ledger.volumes()); await ledger.close(); await pool.end();";
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module"], {
      input: program.replace(shown, url) + end,
      encoding: "utf8",
    });
    assert.equal(stdout, "[]\n", stderr);
  });
});

describe("a lock in PostgreSQL whose holder cannot be seen", () => {
  it("is taken over once it was not renewed for its time, and not before; its holder is told and writes no more", async () => {
    const place = newPlace();
    const [ledger, other] = [await openAt(place), await openAt(place)];
    const lock = await ledger.lock("v");
    elsewhere(place.schema);
    await assert.rejects(other.lock("v"), { code: "busy", message: /on host a \(.*\) is working/ });
    elsewhere(place.schema, ", expires = clock_timestamp()");
    const next = await other.lock("v");
    await assert.rejects(ledger.write(operationOf(ledger)), { code: "busy", message: /taken/ });
    assert.equal((lock.lost.reason as { readonly code?: string }).code, "busy");
    await other.write(operationOf(other));
    await lock.release();
    await assert.rejects(ledger.lock("v"), { code: "busy" });
    await next.release();
    await other.close();
    await ledger.close();
  });

  it("is renewed for as long as its holder lives, and its holder is told when another has it", async () => {
    const place = newPlace({ leaseMs: 6_000 });
    const [ledger, other] = [await openAt(place), await openAt(place)];
    const lock = await ledger.lock("v");
    elsewhere(place.schema);
    const expires = () => postgres.sql(url, `SELECT expires FROM ${place.schema}.locks`);
    // Six renewals and one take longer than the lease.
    for (let renewals = 0; renewals < 7; renewals++) {
      const last = expires();
      await waitFor("a renewal", 60, () => expires() !== last || undefined);
    }
    assert.equal(lock.lost.aborted, false);
    await assert.rejects(other.lock("v"), { code: "busy" });
    const told = once(lock.lost, "abort");
    postgres.sql(url, `UPDATE ${place.schema}.locks SET token = 'of another'`);
    await told;
    await other.close();
    await ledger.close();
  });

  it("is kept by a process of this machine that lives, however long it has been silent", async () => {
    const place = newPlace();
    const [ledger, other] = [await openAt(place), await openAt(place)];
    await ledger.lock("v");
    postgres.sql(url, `UPDATE ${place.schema}.locks SET expires = 'epoch'`);
    await assert.rejects(other.lock("v"), { code: "busy", message: /does it hang/ });
    await other.close();
    await ledger.close();
  });
});

describe("hosts that share a ledger in PostgreSQL", () => {
  it("have their own disks at the same paths, recover their own operations, and know each other's keys", async () => {
    const place = newPlace();
    const keyManager = new MemoryKeyManager({ warn: () => undefined });
    const [a, b] = [await openAt({ ...place, host: "a" }), await openAt({ ...place, host: "b" })];
    const onA: VolumeContext = { keyManager, caller: alice, ledger: a };
    const onB: VolumeContext = { keyManager, caller: alice, ledger: b };
    const directory = mkdtempSync(join(tmpdir(), "chatelaine-hosts-"));
    const path = join(directory, "disk.img");
    const made = await createVolume(onA, { path, sizeBytes: 65_536 });
    assert.equal((await a.volumeAt(path))?.host, "a");
    assert.equal(await b.volumeAt(path), undefined);
    await assert.rejects(rekeyVolume(onB, path), { code: "mismatch", message: /on host a/ });
    const [impossible] = await rekeyVolumes(onB);
    assert.match(impossible?.problem ?? "", /on host a: run the command there/);

    // The same path on another host is another disk.
    const lock = await b.lock("w");
    const begun = { ...operationOf(b), volumeId: "w", host: "b" };
    const volume = { ...(await a.volume(made.id)), id: "w", host: "b", keyId: undefined };
    await b.write({ ...begun, phase: "done" }, [{ type: "put", volume: volume as never }]);
    await lock.release();
    assert.equal((await b.volumeAt(path))?.id, "w");
    assert.equal((await a.volumeAt(path))?.id, made.id);

    const died = new Error("as if it had died");
    const dying = rekeyVolume({ ...onA, onStep: dieAt(place.schema, died) }, path);
    await assert.rejects(dying, { code: "unfinished" });
    assert.deepEqual(
      (await recover(onB)).map(({ outcome }) => outcome),
      ["other_host"],
    );
    const types = (await reconcile(onB)).map(({ type }) => type);
    assert.ok(!types.includes("orphan_key"), `${types.join(", ")}: a key of host a is no orphan`);
    assert.deepEqual(
      (await recover(onA)).map(({ outcome }) => outcome),
      ["undone"],
    );
    for (const ledger of [a, b]) await ledger.close();
    rmSync(directory, { recursive: true });
  });
});

describe("the chatelaine command with a ledger in PostgreSQL", () => {
  const directory = mkdtempSync(join(tmpdir(), "chatelaine-command-"));
  const server = new ServerFolder();
  let running: KeyServerProcess;
  let environment: Readonly<Record<string, string>>;
  let database: string;
  before(async () => {
    database = await postgres.createDatabase();
    running = await KeyServerProcess.start(server);
    const { alice: tenant } = await makeTenants(running.url, server.adminPassword(), ["alice"]);
    environment = { ...tenant.environment, HOME: directory, PATH: process.env["PATH"] ?? "" };
  });
  after(async () => {
    await running.stop();
    server.remove();
    rmSync(directory, { recursive: true });
    await postgres.dropDatabase(database);
  });

  const chatelaine = (words: readonly string[], more: Readonly<Record<string, string>> = {}) =>
    spawnSync(process.execPath, [command, ...words], {
      encoding: "utf8",
      env: { ...environment, ...more },
    });
  /** The password goes by PostgreSQL's own variable. */
  const shared = (host: string) => {
    const open = new URL(database);
    const PGPASSWORD = open.password;
    open.password = "";
    return { PGPASSWORD, CHATELAINE_LEDGER: open.href, CHATELAINE_LEDGER_HOST: host };
  };

  it("takes over the volumes of a file, and works on them from their host alone", () => {
    const [disk, file] = [join(directory, "disk.img"), join(directory, "old.sqlite")];
    const made = chatelaine(["volume", "create", disk, "--size", "64K"], {
      CHATELAINE_LEDGER: file,
    });
    assert.equal(made.status, 0, made.stderr);
    const empty = chatelaine(["doctor"], shared("a"));
    assert.match(empty.stdout, /ledger +postgres:\/\/postgres@.* as host a: does not exist yet/);

    const tried = chatelaine(["ledger", "import", file, "--dry-run"], shared("a"));
    assert.match(tried.stdout, /would take 1 volumes/, tried.stderr);
    const taken = chatelaine(["ledger", "import", file], shared("a"));
    assert.match(taken.stdout, /took 1 volumes/, taken.stderr);
    assert.deepEqual([existsSync(file), existsSync(`${file}.imported`)], [false, true]);
    assert.match(chatelaine(["doctor"], shared("a")).stdout, /as host a: 1 volumes/);

    const rekeyed = chatelaine(["volume", "rekey", disk], shared("a"));
    assert.equal(rekeyed.status, 0, rekeyed.stderr);
    const onB = chatelaine(["volume", "rekey", disk], shared("b"));
    assert.match(onB.stderr, /on host a/);
    const reconciled = chatelaine(["reconcile", "--json"], shared("b"));
    assert.doesNotMatch(reconciled.stdout, /orphan|missing/);
    const deleted = chatelaine(["volume", "delete", disk], shared("a"));
    assert.equal(deleted.status, 0, deleted.stderr);
  });

  it("says what is wrong with the database, and no password", () => {
    const wrong = chatelaine(["recover"], { ...shared("a"), PGPASSWORD: "hunter2" });
    assert.match(
      wrong.stderr,
      /the database rejects the connection: password authentication failed/,
    );
    assert.equal(wrong.status, 2);
    const { PGPASSWORD: _, ...without } = shared("a");
    const none = chatelaine(["recover"], without);
    assert.match(
      none.stderr,
      /the database rejects the connection: it asks for a password, and none is set/,
    );
    assert.equal(none.status, 2);
    assert.doesNotMatch(wrong.stderr + none.stderr, /hunter2/);
  });
});

describe("operations on volumes with a ledger in PostgreSQL whose line fails", () => {
  const shown = ["create", "delete", "rekey", "adopt a LUKS1 disk", "re-encrypt"];
  let lost = 0;
  after(() => console.log(`commits lost: ${lost}`));

  for (const name of shown) {
    it(`${name}: no commit whose answer is lost is done twice or not at all`, async () => {
      const commits = await perform(name, () => undefined);
      assert.ok(commits > 3, `only ${commits} commits`);
      for (const at of someOf(commits)) {
        const took = at % 2 === 0;
        await perform(name, (n) => (n === at ? { took } : undefined));
        lost++;
      }
    });

    it(`${name}: a database that goes away at a commit leaves what recover finishes or takes back`, async () => {
      const commits = await perform(name, () => undefined);
      for (const at of someOf(commits)) {
        const took = at % 2 === 0;
        await perform(name, (n) => (n === at ? { took } : n > at ? "away" : undefined), true);
        lost++;
      }
    });
  }

  it("is not noticed when every connection is cut between the steps", async () => {
    let steps = 0;
    for (const name of shown) {
      await perform(
        name,
        () => undefined,
        false,
        () => {
          steps++;
          cutConnections();
        },
      );
    }
    console.log(`steps with all connections cut: ${steps}`);
  });
});

describe("a PostgreSQL that goes away under a ledger", () => {
  it("is unavailable meanwhile, loses locks in time, and is used again when it is back", async () => {
    // One of its own: nobody else's may be taken away.
    const directory = mkdtempSync(join(tmpdir(), "chatelaine-ledger-away-"));
    const own = await startPostgres({ directory, port: 15434 });
    try {
      const place = { url: await own.createDatabase(), timeoutMs: 500, leaseMs: 2_000 };
      const ledger = await openAt(place);
      const lock = await ledger.lock("v");
      await ledger.write(operationOf(ledger));
      await own.halt("SIGQUIT");
      const told = once(lock.lost, "abort");
      await assert.rejects(ledger.volumes(), { code: "unavailable" });
      await assert.rejects(ledger.write(operationOf(ledger)), { code: "unavailable" });
      await assert.rejects(openAt(place), { code: "unavailable" });
      await told;
      await assert.rejects(ledger.write(operationOf(ledger)), { code: "busy" });
      await lock.release();
      await own.resume();
      const again = await ledger.lock("v");
      assert.equal((await ledger.unfinished()).length, 1);
      await again.release();
      await ledger.close();

      own.sql(place.url, "ALTER SYSTEM SET fsync = off");
      own.sql(place.url, "SELECT pg_reload_conf()");
      await assert.rejects(
        async () => {
          // The setting reaches new connections a moment after the answer.
          for (;;) await (await openAt(place)).close();
        },
        { code: "unsupported", message: /fsync/ },
      );
    } finally {
      await own.stop();
      rmSync(directory, { recursive: true });
    }
  });
});

describe("volumes whose ledger is in PostgreSQL", () => {
  it("survive a kill at any moment, processes that compete, and an upgrade from 2da0dde", () => {
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
    const names = ["kill.test.ts", "compete.test.ts", "upgrade.test.ts"];
    const files = names.map((name) => join(packageTests, name));
    const result = spawnSync(process.execPath, ["--test", ...files], {
      encoding: "utf8",
      maxBuffer: 64 << 20,
      env: {
        ...environment,
        CHATELAINE_KILLS: process.env["CHATELAINE_KILLS"] ?? "1",
        CHATELAINE_TEST_DATABASE: url,
        CHATELAINE_TEST_LEDGER: opener.href,
      },
    });
    assert.equal(result.status, 0, result.stdout.slice(-6_000));
    const kills = Number(/kills: (\d+)/.exec(result.stdout)?.[1]);
    assert.ok(kills >= 25, `only ${kills} kills`);
    const schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'kill\\_%'";
    assert.ok(Number(postgres.sql(url, schemas)) > kills, "each had a ledger of its own there");
    console.log(`kills: ${kills}`);
  });
});

function operationOf({ host }: Ledger) {
  return {
    id: "1",
    kind: "create",
    volumeId: "v",
    project: "p",
    host,
    phase: "preparing",
    step: 0,
    input: {},
    facts: {},
    problem: undefined,
    created: new Date(1000),
    updated: new Date(1000),
  } as const;
}

/** Numbers from 1 to `commits`; all of them if CHATELAINE_KILLS says so. */
function someOf(commits: number): readonly number[] {
  const every = process.env["CHATELAINE_KILLS"] === "all" ? 1 : 4;
  const first = 1 + Math.floor(Math.random() * every);
  const numbers: number[] = [];
  for (let at = first; at <= commits; at += every) numbers.push(at);
  return numbers;
}

/** @returns how many commits there were */
async function perform(
  name: string,
  plan: Parameters<typeof losingCommits>[1],
  mayFail = false,
  onStep?: () => void,
): Promise<number> {
  const scenario = scenarios.find((candidate) => candidate.name === name);
  assert.ok(scenario);
  const directory = mkdtempSync(join(tmpdir(), "chatelaine-line-"));
  const disk = join(directory, "disk.img");
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const place = newPlace();
  const ledger = await openAt(place);
  const line = await losingCommits(place, plan);
  const context = { keyManager, caller: alice, ledger, callerOf };
  try {
    const userKeys = await scenario.prepare(context, directory);
    const wasListed = (await ledger.volumes()).length > 0;
    const earlier = existsSync(disk) ? await fingerprint(context, disk, scenario) : undefined;
    line.begin();
    const failing = { ...context, ledger: line.ledger, ...(onStep && { onStep }) };
    const failed = await scenario.act(failing, directory, userKeys).then(
      () => undefined,
      (error: unknown) => error as { readonly code?: string },
    );
    const commits = line.end();
    if (mayFail) assert.match(failed?.code ?? "unfinished", /^(unavailable|unfinished|busy)$/);
    else assert.equal(failed, undefined);
    // Its own process takes up again what it has given up, through the same ledger.
    for (const { outcome, problem } of await recover({ ...context, ledger: line.ledger })) {
      assert.ok(outcome === "finished" || outcome === "undone", `${outcome}: ${problem}`);
    }
    const volumes = await ledger.volumes();
    const isForeign = earlier !== undefined && !wasListed && volumes.length === 0;
    if (!scenario.mayBeAbsent) assert.ok(volumes.length > 0, "the volume is gone");
    if (earlier !== undefined && (isForeign || volumes.length > 0)) {
      assert.equal(await fingerprint(context, disk, scenario), earlier, "the data has changed");
    }
    await checkInvariants({
      keyManager,
      ledger,
      directory,
      userKeys,
      foreignDisks: isForeign ? [disk] : [],
      foreignSlots: scenario.foreignSlots ?? 0,
      mayStay: scenario.mayStay ?? [],
    });
    return commits;
  } finally {
    await line.ledger.close();
    await ledger.close();
    postgres.sql(url, `DROP SCHEMA ${place.schema} CASCADE`);
    rmSync(directory, { recursive: true });
  }
}

/** At the second step the lock is gone, so that nothing can be taken back either. */
function dieAt(schema: string, error: Error) {
  let steps = 0;
  return () => {
    if (++steps < 3) return;
    postgres.sql(url, `DELETE FROM ${schema}.locks`);
    throw error;
  };
}

/** Ends all connections to the database but the one that says so. */
function cutConnections(): void {
  postgres.sql(
    url,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
  );
}

/** Makes locks look as if a process of another machine had them. */
function elsewhere(schema: string, more = ""): void {
  postgres.sql(url, `UPDATE ${schema}.locks SET boot = 'of another machine' ${more}`);
}
