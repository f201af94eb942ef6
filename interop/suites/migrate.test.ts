import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  BarbicanKeyManager,
  type Consumer,
  type ObjectId,
  type ReadAccess,
  SecretBytes,
} from "@chatelaine/keys";
import type { ContainerType, NewSecret } from "@chatelaine/keys/barbican";
import { stringify } from "yaml";
import { type BarbicanLab, startBarbicanLab } from "../barbican/lab.ts";
import { makeTenant, type Tenant } from "../barbican/tenant.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";

const main = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));
const objectCount = 1_000;
const containerCount = 12;
const total = objectCount + containerCount;

/** An object as it was put into the source, which it must be in every target. */
interface Seeded {
  readonly secret: NewSecret;
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly access: ReadAccess | undefined;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  readonly consumers: readonly Consumer[];
}

/** A project of a key manager, as the suite itself looks into it. */
interface Place {
  readonly manager: BarbicanKeyManager;
  readonly tenant: Tenant;
  /** Words that name it on the command line, for `--from` or `--to`. */
  readonly words: (side: "from" | "to") => readonly string[];
}

interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly items: readonly {
    readonly kind: string;
    readonly sourceId: ObjectId;
    readonly targetId: ObjectId;
  }[];
}

let lab: BarbicanLab;
let directory: string;
let folder: ServerFolder;
let server: KeyServerProcess;
let tenants: readonly Tenant[];
let old: Place;
let ours: Place;
let back: Place;
const seeded = new Map<ObjectId, Seeded>();
const boxes = new Map<ObjectId, { type: ContainerType; members: readonly ObjectId[] }>();

// What is in the real Barbican stays there when its projects go: to delete it one by one would take a minute.
before(async () => {
  lab = await startBarbicanLab();
  tenants = [await makeTenant(lab), await makeTenant(lab)];
  const [first, second] = tenants as [Tenant, Tenant];
  directory = mkdtempSync(join(tmpdir(), "chatelaine-migrate-"));
  folder = new ServerFolder();
  const { username, password, projectName } = lab.users.barbican;
  server = await KeyServerProcess.start(folder, {
    identity: { mode: "keystone" },
    keystone: { authUrl: lab.keystoneUrl, username, password, projectName },
  });
  const clouds = { first: cloudOf(first), second: cloudOf(second) };
  writeFileSync(join(directory, "clouds.yaml"), stringify({ clouds }), { mode: 0o600 });
  old = place(first, "first", lab.secureUrl);
  ours = place(first, "first", server.url);
  back = place(second, "second", lab.secureUrl);
});
after(async () => {
  await server.stop();
  folder.remove();
  for (const tenant of tenants) await tenant.remove();
  rmSync(directory, { recursive: true, force: true });
  await lab.stop();
});

function place(tenant: Tenant, cloud: string, endpoint: string): Place {
  return {
    manager: new BarbicanKeyManager({ endpoint }),
    tenant,
    words: (side) => [`--${side}-os-cloud`, cloud, `--${side}-endpoint`, endpoint],
  };
}

describe("moving 1,000 objects of all types, with the command killed on the way", () => {
  it("fills the real Barbican", async () => {
    await seed();
    assert.equal(await countOf(old), objectCount);
  });

  it("goes to our server, past two kills, with everything once and the same", async () => {
    const words = [
      "migrate",
      "keys",
      "--from",
      "barbican",
      ...old.words("from"),
      ...ours.words("to"),
    ];
    const plan = await chatelaine([...words, "--dry-run"]);
    assert.deepEqual(plan.counts, {
      copied: 0,
      "already there": 0,
      "to do": total,
      skipped: 0,
      failed: 0,
    });
    assert.equal(await countOf(ours), 0);
    for (const share of [0.3, 0.6]) await killedAt(words, ours, share * objectCount);
    const report = await chatelaine(words);
    assert.equal((report.counts["copied"] ?? 0) + (report.counts["already there"] ?? 0), total);
    await assertMoved(report, ours, new Map());
    assertJournalTellsNothing();
    const again = await chatelaine(words);
    assert.equal(again.counts["already there"], total);
    assert.deepEqual(idsOf(again), idsOf(report));
    moved = report;
  });

  it("comes back, past two kills, with everything once and the same", async () => {
    const words = [
      "migrate",
      "keys",
      "--from",
      "barbican",
      ...ours.words("from"),
      ...back.words("to"),
    ];
    for (const share of [0.3, 0.6]) await killedAt(words, back, share * objectCount);
    const report = await chatelaine(words);
    assert.equal((report.counts["copied"] ?? 0) + (report.counts["already there"] ?? 0), total);
    await assertMoved(report, back, idsOf(moved));
    assert.equal(await countOf(old), objectCount);
  });
});

let moved: Report;

function idsOf({ items }: Report): Map<ObjectId, ObjectId> {
  return new Map(items.map(({ sourceId, targetId }) => [sourceId, targetId]));
}

/** @param between from the seeded ids to those that the report starts from */
async function assertMoved(
  report: Report,
  { manager: { client }, tenant: { caller } }: Place,
  between: ReadonlyMap<ObjectId, ObjectId>,
): Promise<void> {
  const ids = idsOf(report);
  const copyOf = (id: ObjectId) => ids.get(between.get(id) ?? id) as ObjectId;
  const documents = new Map<ObjectId, Awaited<ReturnType<typeof client.secrets.get>>>();
  for (let offset = 0; ; offset += 100) {
    const { items } = await client.secrets.list(caller, { sort: ["created:asc"] }, { offset });
    for (const item of items) documents.set(item.id, item);
    if (items.length < 100) break;
  }
  assert.equal(documents.size, objectCount);
  await each(
    [...seeded],
    async ([id, { secret, bytes, contentType, access, metadata, consumers }]) => {
      const copy = copyOf(id);
      const found = documents.get(copy);
      assert.ok(found);
      documents.delete(copy);
      const { type, name, algorithm, bitLength, mode, expiration } = found;
      assert.deepEqual(
        { type, name, algorithm, bitLength, mode, contentType: found.contentType },
        {
          type: secret.type,
          name: secret.name,
          algorithm: secret.algorithm,
          bitLength: secret.bitLength,
          mode: secret.mode,
          contentType,
        },
      );
      assert.equal(
        expiration === undefined
          ? undefined
          : Date.parse(`${expiration.replace(/Z|\+00:00$/, "")}Z`),
        secret.expiration?.getTime(),
      );
      assert.deepEqual(sorted(found.consumers ?? []), sorted(consumers));
      const payload = await client.secrets.payload(caller, copy);
      payload.use((held) => assert.ok(bytes.equals(held), `${type} ${copy}`));
      if (access !== undefined) {
        assert.deepEqual(await client.secretAcls.get(caller, copy), access);
      }
      if (metadata !== undefined) {
        assert.deepEqual(await client.secretMetadata.all(caller, copy), metadata);
      }
    },
  );
  assert.equal(documents.size, 0);
  const { items: containers } = await client.containers.list(caller);
  assert.equal(containers.length, containerCount);
  for (const [id, { type, members }] of boxes) {
    const found = containers.find((container) => container.id === copyOf(id));
    assert.equal(found?.type, type);
    assert.deepEqual(
      found.members.map(({ secretId }) => secretId).toSorted(),
      members.map(copyOf).toSorted(),
    );
    assert.deepEqual(found.consumers, [{ name: "balancer", url: `https://lb.example/${id}` }]);
  }
}

function sorted(consumers: readonly Consumer[]): readonly Consumer[] {
  return consumers.toSorted((a, b) => a.resourceId.localeCompare(b.resourceId));
}

async function seed(): Promise<void> {
  const { client } = old.manager;
  const { caller } = old.tenant;
  const pair = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  await each(
    Array.from({ length: objectCount }, (_, index) => index),
    async (index) => {
      const object = objectNumber(index, pair);
      const { secret, bytes, contentType, access, metadata, consumers } = object;
      const payload = { bytes: new SecretBytes(bytes), contentType };
      const oneStep = !contentType.startsWith("text/") && bytes.length <= 15_000;
      const id = await client.secrets.create(caller, oneStep ? { ...secret, payload } : secret);
      if (!oneStep) await client.secrets.putPayload(caller, id, payload);
      if (access !== undefined) await client.secretAcls.replace(caller, id, access);
      if (metadata !== undefined) await client.secretMetadata.replace(caller, id, metadata);
      for (const consumer of consumers) await client.secretConsumers.add(caller, id, consumer);
      seeded.set(id, object);
    },
  );
  for (let index = 0; index < containerCount; index++) {
    const type = (["generic", "rsa", "certificate"] as const)[index % 3] ?? "generic";
    const names = {
      generic: { first: "symmetric", second: "opaque" },
      rsa: { private_key: "private", public_key: "public" },
      certificate: { certificate: "certificate", private_key: "private" },
    }[type];
    const members = Object.entries(names).map(([name, of]) => ({
      name,
      secretId: seededOf(of)[index] as ObjectId,
    }));
    const id = await client.containers.create(caller, { type, name: `box ${index % 2}`, members });
    await client.containerConsumers.add(caller, id, {
      name: "balancer",
      url: `https://lb.example/${id}`,
    });
    boxes.set(id, { type, members: members.map(({ secretId }) => secretId) });
  }
}

function seededOf(type: string): readonly ObjectId[] {
  return [...seeded].filter(([, { secret }]) => secret.type === type).map(([id]) => id);
}

/** Eleven kinds, some of them alike in everything but their bytes, and some in these as well. */
function objectNumber(
  index: number,
  pair: { readonly privateKey: string; readonly publicKey: string },
): Seeded {
  const octets = "application/octet-stream";
  const aes = (bits: number, more: Partial<NewSecret> = {}) => ({
    secret: { type: "symmetric", algorithm: "aes", bitLength: bits, ...more } as NewSecret,
    bytes: randomBytes(bits / 8),
    contentType: octets,
  });
  const kinds = [
    () => aes(128, { name: `key ${index}`, mode: "cbc" }),
    () => aes(256, { name: "volume key", mode: "xts" }),
    () => aes(512, { name: `volume ${index}`, mode: "xts" }),
    () => aes(256),
    () => aes(256, { name: "expiring", expiration: new Date(Date.UTC(2030, 0, 1, 0, index)) }),
    () => ({
      secret: { type: "passphrase", name: `Schlüssel ${index}` } as const,
      bytes: Buffer.from(` pässwörd ${index} 鍵🔑\n`),
      contentType: "text/plain",
    }),
    () => ({
      secret: { type: "passphrase", name: "default" } as const,
      bytes: Buffer.from("the same everywhere"),
      contentType: "text/plain",
    }),
    () => ({
      secret: {
        type: "private",
        name: `pair ${index}`,
        algorithm: "rsa",
        bitLength: 2048,
      } as const,
      bytes: Buffer.from(pair.privateKey),
      contentType: octets,
    }),
    () => ({
      secret: { type: "public", name: `pair ${index}`, algorithm: "rsa", bitLength: 2048 } as const,
      bytes: Buffer.from(pair.publicKey),
      contentType: octets,
    }),
    () => ({
      secret: { type: "certificate", name: `certificate ${index}` } as const,
      bytes: Buffer.from(
        `-----BEGIN CERTIFICATE-----\n${randomBytes(300).toString("base64")}\n-----END CERTIFICATE-----\n`,
      ),
      contentType: octets,
    }),
    () => ({
      secret: { type: "opaque", name: `blob ${index}` } as const,
      // One in ten is too large for a JSON body.
      bytes: randomBytes(index % 100 < 11 ? 18_000 : 1 + (index % 300)),
      contentType: octets,
    }),
  ];
  const made = (kinds[index % kinds.length] ?? kinds[0] ?? (() => aes(256)))();
  const userId = lab.users.demo2.id;
  return {
    ...made,
    access: index % 10 === 0 ? { projectAccess: index % 20 === 0, userIds: [userId] } : undefined,
    metadata: index % 9 === 0 ? { origin: `rack ${index}`, "made-by": "suite" } : undefined,
    consumers: Array.from({ length: index % 7 === 0 ? 1 + (index % 2) : 0 }, (_, n) => ({
      service: "volume",
      resourceType: "volume",
      resourceId: `volume-${index}-${n}`,
    })),
  };
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}

async function countOf({ manager, tenant }: Place): Promise<number> {
  return (await manager.client.secrets.list(tenant.caller, {}, { limit: 1 })).total;
}

function cloudOf(tenant: Tenant): object {
  const environment = tenant.environment("secure");
  return {
    auth: {
      auth_url: environment["OS_AUTH_URL"],
      username: environment["OS_USERNAME"],
      password: environment["OS_PASSWORD"],
      project_name: environment["OS_PROJECT_NAME"],
      user_domain_name: "Default",
      project_domain_name: "Default",
    },
  };
}

function start(words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [main, ...words, "--journal", journalOf(words), "--json"], {
    env: { PATH: process.env["PATH"], HOME: directory },
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** A journal for each direction. */
function journalOf(words: readonly string[]): string {
  return join(directory, `journal-${words.indexOf("second") > 0 ? "back" : "out"}.sqlite`);
}

function assertJournalTellsNothing(): void {
  const files = readdirSync(directory).filter((name) => name.startsWith("journal-"));
  assert.ok(files.length > 0);
  for (const file of files.map((name) => join(directory, name))) {
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const content = readFileSync(file);
    for (const { bytes } of seeded.values()) {
      assert.ok(bytes.length < 8 || !content.includes(bytes));
    }
  }
}

/** Runs the command, which must succeed. */
async function chatelaine(words: readonly string[]): Promise<Report> {
  const child = start(words);
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  }
  const [status] = (await once(child, "close")) as [number | null];
  assert.equal(status, 0, texts.stderr);
  return JSON.parse(texts.stdout) as Report;
}

/** Kills the command as soon as the target has so many objects. */
async function killedAt(words: readonly string[], target: Place, count: number): Promise<void> {
  const child = start(words);
  const gone = once(child, "exit");
  while (child.exitCode === null && (await countOf(target)) < count) await sleep(200);
  assert.equal(child.exitCode, null, "it was done before it could be killed");
  child.kill("SIGKILL");
  await gone;
}
