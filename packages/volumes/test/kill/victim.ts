// The process that is killed. Arguments: scenario, directory, the moment at which it dies (0: never), the user's keys.
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ObjectId } from "@chatelaine/keys";
import { type Ledger, recover, VolumeError } from "../../src/index.ts";
import { deviceScenarios } from "./device-scenarios.ts";
import { openLedgerIn } from "./open-ledger.ts";
import { remoteKeyManager } from "./remote-key-manager.ts";
import { alice, callerOf, scenarios } from "./scenarios.ts";

const [name, directory = "", dieAt, ...keys] = process.argv.slice(2);
/** Busy, or rekeyed between two looks. */
const answers: readonly string[] = ["busy", "unfinished", "missing_key", "wrong_key"];
let moments = 0;

function moment(): void {
  moments++;
  // SIGKILL to oneself: not one instruction follows.
  if (moments === Number(dieAt)) process.kill(process.pid, "SIGKILL");
}

await tellOfDiskWrites();
const ledger = tellOf(await openLedgerIn(directory));
const context = {
  keyManager: remoteKeyManager(moment),
  caller: alice,
  ledger,
  callerOf,
  onStep: moment,
};
process.send?.({ began: true });
try {
  if (name === "recover") await recover(context);
  else {
    const scenario = [...scenarios, ...deviceScenarios].find(
      (candidate) => candidate.name === name,
    );
    await scenario?.act(context, directory, keys as ObjectId[]);
  }
} catch (error) {
  // What one process of several that work on a volume may be told.
  if (!(error instanceof VolumeError && answers.includes(error.code))) throw error;
  process.exitCode = 3;
} finally {
  process.send?.({ moments });
  process.disconnect?.();
}

/** Every write and sync of any file is a moment before and a moment after. */
async function tellOfDiskWrites(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "chatelaine-probe-"));
  const handle = await open(join(folder, "probe"), "w");
  const prototype = Object.getPrototypeOf(handle) as Record<
    string,
    (...args: unknown[]) => Promise<unknown>
  >;
  await handle.close();
  await rm(folder, { recursive: true });
  for (const method of ["write", "sync", "truncate"]) {
    const original = prototype[method];
    if (original === undefined) throw new Error(`no FileHandle.${method}`);
    prototype[method] = async function (...args) {
      moment();
      const result = await original.apply(this, args);
      moment();
      return result;
    };
  }
}

function tellOf(inner: Ledger): Ledger {
  return new Proxy(inner, {
    get(target, property) {
      const method = Reflect.get(target, property) as (...args: unknown[]) => unknown;
      if (typeof method !== "function") return method;
      if (property !== "write") return method.bind(target);
      return async (...args: unknown[]) => {
        moment();
        await method.apply(target, args);
        moment();
      };
    },
  });
}
