import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { BarbicanKeyManager, type Caller } from "@chatelaine/keys";
import { type BarbicanLab, startBarbicanLab } from "../interop/barbican/lab.ts";
import { makeTenant, type Tenant } from "../interop/barbican/tenant.ts";
import { castellanPackages } from "../interop/clients/packages.ts";
import { installPackages } from "../interop/host/debian.ts";
import { FaultProxy } from "../interop/proxy/fault-proxy.ts";
import { atLeast, type Benchmark, type Row } from "./benchmark.ts";
import { packageVersion } from "./machine.ts";
import { median, quantile } from "./statistics.ts";

/** How often faster than Castellan our adapter must be. */
const bars = { named: 3, unnamed: 5 } as const;
type Kind = keyof typeof bars;
const kinds: readonly Kind[] = ["named", "unnamed"];

/** Runs before the figures count: connections, identity tokens and versions are there then, for both sides. */
const warmUps = 5;

/** One side of the comparison: creates, reads and deletes a 256-bit key, and says in how many milliseconds. */
type Cycle = (kind: Kind) => Promise<number>;

/**
 * Create + get + delete of a 256-bit AES key through our adapter and through Debian's Castellan, on one real Barbican,
 * turn by turn in one run. Castellan measures itself, so the pipe to its process does not count against it.
 */
export const adapter: Benchmark = {
  name: "adapter",
  shows: "create + get + delete of a key: our Barbican adapter and OpenStack's Castellan",
  async run({ rounds = 40, log }) {
    installPackages(castellanPackages, log);
    const lab = await startBarbicanLab();
    const tenant = await makeTenant(lab);
    try {
      log(`${rounds} rounds on ${lab.secureUrl}`);
      const samples = await alternate(lab, tenant, rounds);
      log("counting requests");
      const requests = await countRequests(lab, tenant);
      return {
        rows: kinds.map((kind) => rowOf(kind, samples[kind], requests[kind])),
        notes: [
          `castellan ${packageVersion("python3-castellan")}, barbican ${packageVersion("python3-barbican")}, uWSGI, nginx, MariaDB, loopback`,
          "requests: to Barbican, once connections, identity tokens and versions are there",
        ],
      };
    } finally {
      await deleteOrders(lab, tenant);
      await tenant.remove();
      await lab.stop();
    }
  },
};

type Samples = Record<Kind, { ours: number[]; castellan: number[] }>;

async function alternate(lab: BarbicanLab, tenant: Tenant, rounds: number): Promise<Samples> {
  const ours = ourCycle(lab.secureUrl, tenant.caller);
  const driver = new Castellan({
    ...tenant.environment("secure"),
    BARBICAN_ENDPOINT: lab.secureUrl,
  });
  const samples: Samples = {
    named: { ours: [], castellan: [] },
    unnamed: { ours: [], castellan: [] },
  };
  try {
    for (let round = -warmUps; round < rounds; round++) {
      for (const kind of kinds) {
        const [mine, theirs] = [await ours(kind), await driver.cycle(kind)];
        if (round < 0) continue;
        samples[kind].ours.push(mine);
        samples[kind].castellan.push(theirs);
      }
    }
    return samples;
  } finally {
    driver.stop();
  }
}

/** A pass of its own, through a counting proxy, because a proxy costs time. */
async function countRequests(
  lab: BarbicanLab,
  tenant: Tenant,
): Promise<Record<Kind, { ours: number; castellan: number }>> {
  const proxy = await FaultProxy.start(lab.secureUrl);
  const ours = ourCycle(proxy.url, tenant.caller);
  const driver = new Castellan({ ...tenant.environment("secure"), BARBICAN_ENDPOINT: proxy.url });
  const count = async (cycle: Cycle, kind: Kind) => {
    await cycle(kind);
    return (await proxy.record(() => cycle(kind))).length;
  };
  try {
    const counts = { named: { ours: 0, castellan: 0 }, unnamed: { ours: 0, castellan: 0 } };
    for (const kind of kinds) {
      counts[kind].ours = await count(ours, kind);
      counts[kind].castellan = await count((k) => driver.cycle(k), kind);
    }
    return counts;
  } finally {
    driver.stop();
    await proxy.stop();
  }
}

function ourCycle(endpoint: string, caller: Caller): Cycle {
  const manager = new BarbicanKeyManager({ endpoint });
  return async (kind) => {
    const name = kind === "named" ? { name: "bench" } : {};
    const start = performance.now();
    const id = await manager.createKey(caller, { algorithm: "aes", bitLength: 256, ...name });
    const key = await manager.get(caller, id);
    await manager.delete(caller, id);
    const elapsed = performance.now() - start;
    if (key.value.length !== 32) throw new Error("adapter: the key has not 32 bytes");
    return elapsed;
  };
}

/** Debian's Castellan in a Python process of its own. */
class Castellan {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(environment: Readonly<Record<string, string>>) {
    const script = new URL("castellan_driver.py", import.meta.url).pathname;
    this.#process = spawn("/usr/bin/python3", [script], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8", ...environment },
    });
    const { stdout } = this.#process;
    if (stdout === null) throw new Error("castellan: no standard output");
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async cycle(kind: Kind): Promise<number> {
    this.#process.stdin?.write(`${JSON.stringify({ named: kind === "named" })}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("castellan: its process ended: see its message above");
    return (JSON.parse(line.value) as { seconds: number }).seconds * 1000;
  }

  stop(): void {
    this.#process.stdin?.end();
  }
}

function rowOf(
  kind: Kind,
  { ours, castellan }: { ours: readonly number[]; castellan: readonly number[] },
  requests: { readonly ours: number; readonly castellan: number },
): Row {
  const ratio = median(castellan) / median(ours);
  return {
    name: `create + get + delete, ${kind}`,
    columns: {
      "ours p50 ms": median(ours),
      "ours p90 ms": quantile(ours, 0.9),
      "Castellan p50 ms": median(castellan),
      "Castellan p90 ms": quantile(castellan, 0.9),
      "our requests": requests.ours,
      "its requests": requests.castellan,
    },
    verdict: atLeast(ratio, bars[kind]),
  };
}

/** Castellan leaves its orders behind. */
async function deleteOrders(lab: BarbicanLab, tenant: Tenant): Promise<void> {
  const { orders } = new BarbicanKeyManager({ endpoint: lab.secureUrl }).client;
  for (;;) {
    const { items } = await orders.list(tenant.caller);
    if (items.length === 0) return;
    for (const { id } of items) await orders.delete(tenant.caller, id);
  }
}
