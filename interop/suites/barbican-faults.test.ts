import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { inspect } from "node:util";
import {
  BarbicanKeyManager,
  type BarbicanOptions,
  type Caller,
  KeyManagerError,
  type KeyManagerErrorCode,
  type ObjectId,
  SecretBytes,
} from "@chatelaine/keys";
import { type Inventory, inventory } from "../barbican/inventory.ts";
import { type BarbicanLab, startBarbicanLab } from "../barbican/lab.ts";
import { makeTenant, type Tenant } from "../barbican/tenant.ts";
import { openstackJson } from "../clients/openstack.ts";
import { type Fault, FaultProxy, type Plan } from "../proxy/fault-proxy.ts";

let lab: BarbicanLab;
let proxy: FaultProxy;
let tenant: Tenant;
let caller: Caller;
let token: string;

before(async () => {
  lab = await startBarbicanLab();
  // Under the secure policy a member may delete orders, so that nothing need be left behind.
  proxy = await FaultProxy.start(lab.secureUrl);
  tenant = await makeTenant(lab);
  caller = tenant.caller;
  token = await tenant.token();
});
after(async () => {
  await tenant.remove();
  await proxy.stop();
  await lab.stop();
});

// So that one failure is not every later test's, too.
afterEach(async () => tidy(await inventory(lab, token)));

function open(options: BarbicanOptions = {}): BarbicanKeyManager {
  return new BarbicanKeyManager({
    endpoint: proxy.url,
    timeoutMs: 20_000,
    // As long as the adapter thinks, but ten times faster.
    sleep: (ms) => setTimeout(ms / 10),
    warn: () => undefined,
    ...options,
  });
}

const secretText = "the secret that no error may repeat";
const opaque = { type: "opaque", value: SecretBytes.fromText(secretText) } as const;

type Operation = (
  manager: BarbicanKeyManager,
  signal?: AbortSignal,
) => Promise<readonly ObjectId[]>;

/** What leaves nothing behind when it fails: each resolves with the ids of what it made. */
const operations: Record<string, Operation> = {
  createKey: async (manager, signal) => {
    const spec = { algorithm: "aes", bitLength: 256 };
    return [await manager.createKey(caller, spec, { signal })];
  },
  "createKey with a name that is unique": async (manager, signal) => {
    const name = `interop faults ${crypto.randomUUID()}`;
    const spec = { algorithm: "aes", bitLength: 512, name, nameIsUnique: true };
    return [await manager.createKey(caller, spec, { signal })];
  },
  createKeyPair: async (manager, signal) => {
    const spec = { algorithm: "rsa", bitLength: 2048 };
    const pair = await manager.createKeyPair(caller, spec, { signal });
    return [pair.privateKeyId, pair.publicKeyId];
  },
  "store in one step": async (manager, signal) => [await manager.store(caller, opaque, { signal })],
  "store in two steps": async (manager, signal) => {
    const value = SecretBytes.random(18_000);
    return [await manager.store(caller, { type: "opaque", value }, { signal })];
  },
};

const json = { "content-type": "application/json" };

/** Each with what a single one of it may end in, besides success after a retry. */
const faults: Record<string, { fault: Fault; codes: readonly KeyManagerErrorCode[] }> = {
  "the connection refused": { fault: { type: "refuse" }, codes: ["unavailable"] },
  "the reply lost": { fault: { type: "lose_reply" }, codes: ["unavailable"] },
  "the reply cut short": { fault: { type: "truncate" }, codes: ["unavailable"] },
  "no reply in time": { fault: { type: "stall" }, codes: ["unavailable"] },
  "a 500 instead": {
    fault: { type: "answer", reply: { status: 500, headers: json, body: '{"code":500}' } },
    codes: ["unavailable"],
  },
  "a 503 after it was done": {
    fault: { type: "replace_reply", reply: { status: 503, body: "upstream timed out" } },
    codes: ["unavailable"],
  },
  "a redirect": {
    // Whoever redirects has not done it himself.
    fault: { type: "answer", reply: { status: 302, headers: { location: "/elsewhere" } } },
    codes: ["bad_response"],
  },
  "a 200 of HTML": {
    fault: { type: "replace_reply", reply: { status: 200, body: "<html>log in</html>" } },
    codes: ["bad_response"],
  },
  "the right status, no JSON": {
    fault: { type: "replace_reply", reply: { status: 201, body: "{" } },
    codes: ["bad_response"],
  },
  "a document without a reference": {
    fault: { type: "replace_reply", reply: { status: 202, headers: json, body: "{}" } },
    codes: ["bad_response"],
  },
  "a proxy's own 404": {
    fault: { type: "answer", reply: { status: 404, body: "no such page" } },
    codes: ["bad_response"],
  },
  "a 401": {
    fault: { type: "answer", reply: { status: 401, body: "authenticate" } },
    codes: ["unauthenticated"],
  },
};

/** Runs once, and returns its error, if any, having checked that it is one that a caller can use. */
async function failureOf(
  operation: Operation,
  plan: Plan,
  options: BarbicanOptions = {},
): Promise<{ error: KeyManagerError | undefined; made: readonly ObjectId[]; faulted: number }> {
  const manager = open(options);
  // The token and the version are known beforehand, so that the first request is the operation's.
  await manager.client.connection.microversion(caller);
  let made: readonly ObjectId[] = [];
  let error: unknown;
  const exchanges = await proxy.record(async () => {
    try {
      made = await operation(manager);
    } catch (caught) {
      error = caught;
    }
  }, plan);
  const faulted = exchanges.filter((exchange) => exchange.fault !== undefined).length;
  if (error === undefined) return { error, made, faulted };
  assert.ok(error instanceof KeyManagerError, inspect(error));
  const told = `${error.message}\n${error.stack}`;
  assert.ok(!told.includes(secretText) && !told.includes(token), told);
  return { error, made, faulted };
}

/** Asserts that the project has exactly `made`, and removes it. */
async function leavesOnly(made: readonly ObjectId[]): Promise<void> {
  const left = await inventory(lab, token);
  assert.deepEqual(left, { secrets: made.toSorted(), orders: [], containers: [] });
  await tidy(left);
}

describe("one fault between our adapter and the real Barbican", () => {
  for (const [name, operation] of Object.entries(operations)) {
    for (const [description, { fault, codes }] of Object.entries(faults)) {
      it(`leaves nothing behind: ${name}, ${description}, at each of its requests`, async () => {
        const outcomes: string[] = [];
        for (let at = 0; ; at += 1) {
          const plan: Plan = (index) => (index === at ? fault : undefined);
          const warnings: string[] = [];
          const { error, made, faulted } = await failureOf(operation, plan, {
            warn: (message) => warnings.push(message),
            timeoutMs: fault.type === "stall" ? 1_500 : 20_000,
          });
          if (faulted === 0) {
            await leavesOnly(made);
            break;
          }
          outcomes.push(error?.code ?? "done");
          if (error === undefined) {
            const left = await inventory(lab, token);
            assert.deepEqual(left.secrets, made.toSorted(), `request ${at}`);
            // What only carried the result here, and could not be deleted, fails no call, but is told of.
            for (const id of [...left.orders, ...left.containers]) {
              assert.ok(
                warnings.some((warning) => warning.includes(id)),
                `request ${at}: ${id}`,
              );
            }
            await tidy(left);
          } else {
            assert.ok(codes.includes(error.code), `request ${at}: ${error.code}: ${error.message}`);
            await leavesOnly([]);
          }
        }
        assert.ok(outcomes.length >= (name.startsWith("store in one") ? 1 : 2), String(outcomes));
      });
    }
  }
});

describe("an outage between our adapter and the real Barbican", () => {
  for (const [name, operation] of Object.entries(operations)) {
    it(`names what it makes us leave behind: ${name}, from each of its requests on`, async () => {
      for (let at = 0; ; at += 1) {
        let lastRequest = "";
        const plan: Plan = (index, { method, path }) => {
          if (index === at) lastRequest = `${method} ${path}`;
          // The first is done and its reply lost; from then on nothing is reached.
          return index < at ? undefined : { type: index === at ? "lose_reply" : "refuse" };
        };
        const warnings: string[] = [];
        const { error, made, faulted } = await failureOf(operation, plan, {
          warn: (message) => warnings.push(message),
        });
        const left = await inventory(lab, token);
        await tidy(left);
        if (faulted === 0) break;
        if (error === undefined) {
          assert.deepEqual(left.secrets, made.toSorted(), lastRequest);
          continue;
        }
        assert.equal(error.code, "unavailable");
        const some = left.secrets.length + left.orders.length + left.containers.length > 0;
        if (some) assert.match(error.message, /left behind/, lastRequest);
      }
    });
  }
});

describe("a caller who aborts, on the real Barbican", () => {
  for (const [name, operation] of Object.entries(operations)) {
    it(`leaves nothing behind: ${name}, at each of its requests`, async () => {
      for (let at = 0; ; at += 1) {
        const abort = new AbortController();
        const { error, made } = await failureOf(
          (manager) => operation(manager, abort.signal),
          (index) => {
            if (index === at) abort.abort();
            return undefined;
          },
          // Barbican is still at the request when the caller has left, for as long as it takes it.
          { sleep: (ms) => setTimeout(ms) },
        );
        if (!abort.signal.aborted) {
          await leavesOnly(made);
          break;
        }
        const left = await inventory(lab, token);
        await tidy(left);
        if (error === undefined) assert.deepEqual(left.secrets, made.toSorted());
        else assert.deepEqual(left, { secrets: [], orders: [], containers: [] });
      }
    });
  }
});

async function tidy(left: Inventory): Promise<void> {
  const { client } = new BarbicanKeyManager({ endpoint: lab.secureUrl });
  for (const id of left.containers) await client.containers.delete(caller, id as ObjectId);
  for (const id of left.orders) await client.orders.delete(caller, id as ObjectId);
  for (const id of left.secrets) await client.secrets.delete(caller, id as ObjectId);
}

describe("when it is over", () => {
  it("the openstack command sees nothing of it", async () => {
    const env = tenant.environment("secure");
    for (const what of ["secret list", "secret order list", "secret container list"]) {
      assert.deepEqual(await openstackJson(env, ...what.split(" ")), [], what);
    }
  });
});
