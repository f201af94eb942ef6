import { setTimeout as sleep } from "node:timers/promises";
import { type BarbicanLab, startBarbicanLab } from "../../interop/barbican/lab.ts";
import { makeTenant, type Tenant } from "../../interop/barbican/tenant.ts";
import { startPostgres } from "../../interop/postgres/postgres.ts";
import { atLeast, type Benchmark, below, type Result, type Row } from "../benchmark.ts";
import { packageVersion } from "../machine.ts";
import { median } from "../statistics.ts";
import { LoadGenerator, type Outcome } from "./load.ts";
import { OurServer, type Peer, startBare } from "./peers.ts";
import { type ProcessorTime, processorTimeOf } from "./processor-time.ts";
import {
  constant,
  getPayload,
  list,
  postSecret,
  type Scenario,
  scenarios,
  storeMany,
  storeSecrets,
  type Target,
} from "./scenarios.ts";

/** What is run against which servers; bare `node:http` always takes part. */
interface Plan {
  readonly scenarios: readonly Scenario[];
  readonly connectionCounts: readonly number[];
  readonly withPostgres: boolean;
  readonly rounds: number;
}

/** Of one run of one scenario against one server. */
const forMs = 2_000;

/** Secrets in the project that is read and listed. Barbican takes minutes for the 10,000 that ours has. */
const stored = { ours: 10_000, barbican: 1_000 } as const;

/** Lists must be as fast among the one as among the other; what is missing to 1 is the machine's noise. */
const few = 10_000;
const many = 1_000_000;
const sameCost = 0.8;

type Side = "SQLite" | "PostgreSQL" | "Barbican" | "bare";

/** Requests a second and latencies, by scenario, connections and side; one a round. */
type Measured = Map<string, Partial<Record<Side, Outcome[]>>>;

/** Processor time of one GET of a payload on 32 connections, one a round. */
type Costs = Readonly<Record<"SQLite" | "bare", ProcessorTime[]>>;

/**
 * Our key server on SQLite and on PostgreSQL, real Barbican, and a bare `node:http` server that answers a constant:
 * scenario by scenario, turn by turn, under the same load. Ratios are medians over rounds, each within one round.
 */
export const server: Benchmark = {
  name: "server",
  shows: "the key server, real Barbican and bare node:http",
  run({ rounds = 3, log }) {
    return compare({ scenarios, connectionCounts: [1, 8, 32], withPostgres: true, rounds }, log);
  },
};

/** What the bars are about, alone: the same in a few minutes. */
export const serverBars: Benchmark = {
  name: "server-bars",
  shows: "the bars of the key server alone, without PostgreSQL",
  run({ rounds = 7, log }) {
    const chosen = [getPayload, postSecret];
    return compare({ scenarios: chosen, connectionCounts: [32], withPostgres: false, rounds }, log);
  },
};

async function compare(plan: Plan, log: (line: string) => void): Promise<Result> {
  const load = new LoadGenerator();
  try {
    log("cold starts");
    const starts = await coldStarts();
    log(`lists among ${few} and ${many}`);
    const lists = await compareLists(load, plan.rounds + 2);
    const { measured, costs, residentMiB } = await compareServers(load, plan, log);
    return {
      rows: [
        ...throughput(measured),
        ...processorTimes(costs),
        ...bars(measured, median(starts), residentMiB, lists),
      ],
      notes: [
        `barbican ${packageVersion("python3-barbican")}: two uWSGI processes behind nginx, MariaDB, Keystone${plan.withPostgres ? `; postgresql ${packageVersion("postgresql")}` : ""}`,
        `medians of ${plan.rounds} rounds of ${forMs / 1000} s; ${stored.ours} secrets stored, in Barbican ${stored.barbican}; the load generator shares the machine`,
        `cold starts in ms: ${starts.map(Math.round).join(", ")}; resident: VmRSS of the server on SQLite after all of the above`,
      ],
    };
  } finally {
    load.stop();
  }
}

/** Each on an empty folder, so that keys, database and first user are made, too. */
async function coldStarts(): Promise<readonly number[]> {
  const times = [];
  for (let turn = 0; turn < 7; turn++) {
    const ours = new OurServer("cold");
    try {
      times.push(await ours.start());
    } finally {
      await ours.remove();
    }
  }
  return times;
}

interface Lists {
  readonly few: readonly Outcome[];
  readonly many: readonly Outcome[];
}

async function compareLists(load: LoadGenerator, rounds: number): Promise<Lists> {
  const sizes = [few, many] as const;
  const servers = sizes.map((size) => new OurServer(`a project of ${size}`));
  try {
    const outcomes: Outcome[][] = [[], []];
    for (const [index, ours] of servers.entries()) {
      await startFilled(load, ours, sizes[index] ?? few);
    }
    for (let round = -1; round < rounds; round++) {
      for (const [index, peer] of servers.entries()) {
        const target = { peer, ids: [], doomed: 0 };
        const outcome = await list.run({ load, target, connections: 8, forMs: forMs / 2 });
        if (round >= 0) outcomes[index]?.push(outcome);
      }
    }
    return { few: outcomes[0] ?? [], many: outcomes[1] ?? [] };
  } finally {
    for (const ours of servers) await ours.remove();
  }
}

async function startFilled(load: LoadGenerator, ours: OurServer, count: number): Promise<void> {
  await ours.start();
  await ours.logIn();
  await storeMany(load, ours, count);
}

async function compareServers(
  load: LoadGenerator,
  plan: Plan,
  log: (line: string) => void,
): Promise<{
  readonly measured: Measured;
  readonly costs: Costs;
  readonly residentMiB: number;
}> {
  log("starting Barbican and the others");
  const lab = await startBarbicanLab();
  const tenant = await makeTenant(lab);
  const postgres = plan.withPostgres ? await startPostgres() : undefined;
  const database = await postgres?.createDatabase();
  const bare = await startBare();
  const sqlite = new OurServer("SQLite");
  const onPostgres = database === undefined ? undefined : new OurServer("PostgreSQL", { database });
  try {
    const targets = new Map<Side, Target>();
    for (const [side, ours] of [
      ["SQLite", sqlite],
      ["PostgreSQL", onPostgres],
    ] as const) {
      if (!ours) continue;
      await ours.start();
      await ours.logIn();
      log(`${side}: ${stored.ours} secrets`);
      targets.set(side, await filled(load, ours, stored.ours, 3_000));
    }
    log(`Barbican: ${stored.barbican} secrets`);
    targets.set(
      "Barbican",
      await filled(load, await barbicanPeer(lab, tenant), stored.barbican, 150),
    );
    const costs: Costs = { SQLite: [], bare: [] };
    const pids = { SQLite: sqlite.pid, bare: bare.pid };
    const measured = await measure(load, targets, bare, plan, { costs, pids }, log);
    return { measured, costs, residentMiB: sqlite.residentMiB() };
  } finally {
    bare.stop();
    await sqlite.remove();
    await onPostgres?.remove();
    if (database !== undefined) await postgres?.dropDatabase(database);
    await postgres?.stop();
    await tenant.remove();
    await lab.stop();
  }
}

async function barbicanPeer(lab: BarbicanLab, tenant: Tenant): Promise<Peer> {
  const port = Number(new URL(lab.legacyUrl).port);
  return { name: "Barbican", port, token: await tenant.token() };
}

async function filled(
  load: LoadGenerator,
  peer: Peer,
  count: number,
  doomed: number,
): Promise<Target> {
  const ids = await storeSecrets(load, peer, count);
  return { peer, ids: ids.slice(0, 500), doomed };
}

async function measure(
  load: LoadGenerator,
  targets: ReadonlyMap<Side, Target>,
  bare: Peer,
  plan: Plan,
  { costs, pids }: { readonly costs: Costs; readonly pids: Readonly<Record<keyof Costs, number>> },
  log: (line: string) => void,
): Promise<Measured> {
  const measured: Measured = new Map();
  const targetsAndBare = new Map(targets).set("bare", { peer: bare, ids: [], doomed: 0 });
  for (let round = 0; round < plan.rounds; round++) {
    for (const scenario of plan.scenarios) {
      log(`round ${round + 1} of ${plan.rounds}: ${scenario.name}`);
      for (const connections of plan.connectionCounts) {
        const key = keyOf(scenario.name, connections);
        const outcomes = measured.get(key) ?? {};
        measured.set(key, outcomes);
        const note = (side: Side, outcome: Outcome) => {
          outcomes[side] = [...(outcomes[side] ?? []), outcome];
        };
        for (const [side, target] of targetsAndBare) {
          if (side === "bare" && scenario !== getPayload) continue;
          const counted = side === "bare" || side === "SQLite" ? side : undefined;
          const before = counted && processorTimeOf(pids[counted]);
          const shot = { load, target, connections, forMs };
          const outcome = await (side === "bare" ? constant(shot) : scenario.run(shot));
          note(side, outcome);
          // What the server does after its answers is not to weigh on the next.
          await sleep(200);
          if (counted && before && scenario === getPayload && connections === 32) {
            const after = processorTimeOf(pids[counted]);
            costs[counted].push({
              mainThread: (after.mainThread - before.mainThread) / outcome.answers,
              process: (after.process - before.process) / outcome.answers,
            });
          }
        }
      }
    }
  }
  return measured;
}

function keyOf(scenario: string, connections: number): string {
  return `${scenario}, ${connections}`;
}

function throughput(measured: Measured): readonly Row[] {
  return [...measured].map(([name, outcomes]) => {
    const rates = (side: Side) => {
      const found = outcomes[side];
      return found ? Math.round(median(found.map(rateOf))) : "";
    };
    const at = (side: Side, p: "p50Ms" | "p99Ms") => {
      const found = outcomes[side];
      return found ? median(found.map((outcome) => outcome[p])).toFixed(2) : "";
    };
    return {
      name,
      columns: {
        "SQLite /s": rates("SQLite"),
        "p50 ms": at("SQLite", "p50Ms"),
        "p99 ms": at("SQLite", "p99Ms"),
        "PostgreSQL /s": rates("PostgreSQL"),
        "p99 ms ": at("PostgreSQL", "p99Ms"),
        "Barbican /s": rates("Barbican"),
        "p99 ms  ": at("Barbican", "p99Ms"),
        "bare /s": rates("bare"),
      },
    };
  });
}

function processorTimes({ SQLite, bare }: Costs): readonly Row[] {
  return (["mainThread", "process"] as const).map((what) => {
    const [ours, peer] = [SQLite, bare].map((times) => median(times.map((time) => time[what])));
    return {
      name: `GET payload, 32: ${what === "process" ? "whole process" : "main thread"}`,
      columns: {
        "SQLite, µs a request": ours ?? 0,
        "bare, µs a request": peer ?? 0,
        "bare / SQLite": (peer ?? 0) / (ours ?? 1),
      },
    };
  });
}

function bars(
  measured: Measured,
  coldMs: number,
  residentMiB: number,
  lists: Lists,
): readonly Row[] {
  const read = measured.get(keyOf(getPayload.name, 32)) ?? {};
  const write = measured.get(keyOf(postSecret.name, 32)) ?? {};
  const against = (
    name: string,
    ours: readonly Outcome[],
    peer: readonly Outcome[],
    bar: number,
  ) => ({
    name,
    columns: columns(perSecond(ours), perSecond(peer)),
    verdict: atLeast(ratio(ours, peer), bar),
  });
  return [
    against("GET payload, 32, against Barbican", read.SQLite ?? [], read.Barbican ?? [], 100),
    against("GET payload, 32, against bare node:http", read.SQLite ?? [], read.bare ?? [], 0.4),
    against("POST secret, 32, against Barbican", write.SQLite ?? [], write.Barbican ?? [], 40),
    against(`list among ${many}, against ${few}`, lists.many, lists.few, sameCost),
    {
      name: "cold start to first answer",
      columns: columns("", ""),
      verdict: below(coldMs, "ms", 1_000),
    },
    { name: "resident memory", columns: columns("", ""), verdict: below(residentMiB, "MiB", 150) },
  ];
}

function columns(ours: string, peer: string): Readonly<Record<string, string>> {
  return { ours, peer };
}

function rateOf({ answers, elapsedMs }: Outcome): number {
  return (answers / elapsedMs) * 1000;
}

function perSecond(outcomes: readonly Outcome[]): string {
  return `${Math.round(median(outcomes.map(rateOf)))}/s`;
}

/** The median of the rounds' ratios: what disturbs a round disturbs both sides. */
function ratio(ours: readonly Outcome[], peer: readonly Outcome[]): number {
  return median(ours.map((outcome, round) => rateOf(outcome) / rateOf(peer[round] ?? outcome)));
}
