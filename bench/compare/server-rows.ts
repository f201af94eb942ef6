import { LoadGenerator } from "../server/load.ts";
import { OurServer } from "../server/peers.ts";
import {
  getPayload,
  list,
  postSecret,
  type Scenario,
  storeMany,
  storeSecrets,
} from "../server/scenarios.ts";
import { type Both, type ComparisonOptions, type Samples, sides, turnOf } from "./sides.ts";

const few = 10_000;
const many = 1_000_000;

/** What `server-bars` measures of our own server, without the peers that its bars compare it with. */
export async function compareServers(options: ComparisonOptions, samples: Samples): Promise<void> {
  const load = new LoadGenerator();
  try {
    await coldStarts(options, samples);
    await requests(load, options, samples);
    await lists(load, options, samples);
  } finally {
    load.stop();
  }
}

async function coldStarts(options: ComparisonOptions, samples: Samples): Promise<void> {
  options.log("cold starts");
  for (let round = 0; round < options.rounds; round++) {
    for (const side of turnOf(round)) {
      const server = new OurServer(side, { checkout: options.checkouts[side] });
      try {
        samples.add("cold start to first answer", "ms", side, await server.start());
      } finally {
        await server.remove();
      }
    }
  }
}

async function requests(
  load: LoadGenerator,
  options: ComparisonOptions,
  samples: Samples,
): Promise<void> {
  await withServers(options, async (servers) => {
    const ids = {
      before: await storeSecrets(load, servers.before, few),
      now: await storeSecrets(load, servers.now, few),
    };
    for (let round = -1; round < options.rounds; round++) {
      options.log(`requests, round ${round + 1} of ${options.rounds}`);
      for (const scenario of [getPayload, postSecret]) {
        for (const side of turnOf(round + 1)) {
          const peer = servers[side];
          const target = { peer, ids: ids[side].slice(0, 500), doomed: 0 };
          const shot = { load, target, connections: 32, forMs: 2_000 };
          await measure(scenario, shot, `${scenario.name}, 32 connections`, {
            round,
            side,
            samples,
          });
        }
      }
      for (const side of sides) {
        if (round >= 0) samples.add("resident memory", "MiB", side, servers[side].residentMiB());
      }
    }
  });
}

async function lists(
  load: LoadGenerator,
  options: ComparisonOptions,
  samples: Samples,
): Promise<void> {
  for (const size of [few, many]) {
    await withServers(options, async (servers) => {
      for (const side of sides) {
        options.log(`storing ${size} secrets to list, ${side}`);
        await storeMany(load, servers[side], size);
      }
      for (let round = -1; round < options.rounds; round++) {
        for (const side of turnOf(round + 1)) {
          const target = { peer: servers[side], ids: [], doomed: 0 };
          const shot = { load, target, connections: 8, forMs: 1_000 };
          await measure(list, shot, `list of 10 among ${size}`, { round, side, samples });
        }
      }
    });
  }
}

/** Runs a scenario once. The round before the first is not counted: it warms up. */
async function measure(
  scenario: Scenario,
  shot: Parameters<Scenario["run"]>[0],
  name: string,
  { round, side, samples }: { round: number; side: (typeof sides)[number]; samples: Samples },
): Promise<void> {
  const { answers, elapsedMs } = await scenario.run(shot);
  if (round >= 0) samples.add(name, "/s", side, (answers / elapsedMs) * 1000);
}

async function withServers(
  { checkouts }: ComparisonOptions,
  use: (servers: Both<OurServer>) => Promise<void>,
): Promise<void> {
  const servers = {
    before: new OurServer("before", { checkout: checkouts.before }),
    now: new OurServer("now", { checkout: checkouts.now }),
  };
  try {
    for (const side of sides) {
      await servers[side].start();
      await servers[side].logIn();
    }
    await use(servers);
  } finally {
    for (const side of sides) await servers[side].remove();
  }
}
