/** A signal that every process of the server gets, as from `systemctl kill`, costs no key pair. */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { KeyPairAnswer, KeyPairRequest } from "../src/orders/key-pair-process.ts";

const script = fileURLToPath(new URL("../src/orders/key-pair-process.ts", import.meta.url));

const request: KeyPairRequest = {
  recipe: { type: "pair", algorithm: "ed25519", bitLength: 256, containerType: "generic" },
};

/** Undefined if the process ended instead. */
async function pairOf(child: ChildProcess): Promise<KeyPairAnswer | undefined> {
  const waiting = new AbortController();
  const { signal } = waiting;
  const answered = once(child, "message", { signal }).then(([answer]) => answer as KeyPairAnswer);
  const ended = once(child, "exit", { signal }).then(() => undefined);
  child.send(request);
  const answer = await Promise.race([answered, ended]);
  for (const one of [answered, ended]) one.catch(() => undefined);
  waiting.abort();
  return answer;
}

describe("the process that makes key pairs", { timeout: 120_000 }, () => {
  it("makes them after signals that the server outlives or ends at in order", async (t) => {
    const [flag] = ["--disable-sigusr1"].filter((one) =>
      process.allowedNodeEnvironmentFlags.has(one),
    );
    const child = fork(script, [], {
      serialization: "advanced",
      execArgv: flag === undefined ? [] : [flag],
    });
    t.after(() => child.kill("SIGKILL"));
    assert.ok((await pairOf(child))?.ok);
    for (const signal of [
      "SIGHUP",
      "SIGINT",
      "SIGTERM",
      "SIGQUIT",
      "SIGUSR1",
      "SIGUSR2",
      "SIGALRM",
      "SIGVTALRM",
      "SIGIO",
      "SIGPWR",
      "SIGSTKFLT",
      "SIGXCPU",
      "SIGXFSZ",
    ] as const) {
      child.kill(signal);
      for (let round = 0; round < 3; round++) assert.ok((await pairOf(child))?.ok, signal);
    }
  });
});
