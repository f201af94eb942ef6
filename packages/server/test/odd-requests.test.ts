import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import { login } from "./support/builtin-harness.ts";
import { idOf } from "./support/harness.ts";
import {
  type Known,
  type OddRequest,
  oddLogin,
  oddRequest,
  randomNumbers,
  rawRequests,
  roundLength,
} from "./support/odd-requests.ts";
import type { Weight } from "./support/odd-server.ts";

/** The long form sends ten times as many. */
const [requests, logins] =
  process.env["CHATELAINE_PROVE"] === "1" ? [100_000, 10_000] : [10_000, 2_000];
const seed = Number(process.env["CHATELAINE_SEED"] ?? 1);
const connections = 16;

/** In bytes. A request that leaves half a kibibyte behind each time shows. */
const mostGrowth = 4 << 20;
/** What deploy/kubernetes.yaml allows. */
const mostResident = 512 << 20;

/** Bounds of what built-in identity remembers, as its defaults are. */
const bounds: Readonly<Record<string, number>> = {
  pairs: 20_000,
  addresses: 20_000,
  delayed: 100,
  passwordsWaiting: 64,
  refusedLogins: 23,
  tokens: 20_000,
};

describe("the oddest and largest requests that the limits let through, on every route", () => {
  let child: ChildProcess;
  let url = "";
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  before(async () => {
    child = fork(new URL("./support/odd-server.ts", import.meta.url), {
      execArgv: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
    });
    url = (await messageOf(child)) as string;
  });
  after(async () => {
    agent.destroy();
    if (!child.connected) return;
    const ended = once(child, "exit");
    child.disconnect();
    await ended;
  });

  const weigh = async (): Promise<Weight> => {
    child.send("weigh");
    return (await messageOf(child)) as Weight;
  };

  const send = ({ method, path, headers, body }: OddRequest, via: Agent | false) =>
    new Promise<{ status: number; token: string; text: string }>((resolve, reject) => {
      const length = body.length > 0 || method !== "GET" ? { "content-length": body.length } : {};
      const sent = request(
        `${url}/`,
        { method, path, agent: via, headers: { ...headers, ...length } },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", reject);
          answer.on("end", () => {
            resolve({
              status: answer.statusCode ?? 0,
              token: String(answer.headers["x-subject-token"] ?? ""),
              text: Buffer.concat(chunks).toString(),
            });
          });
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });

  /** For what must be answered: a kept connection may be one that the server is closing. */
  const ask = (asked: OddRequest) => send(asked, false);

  /** Statuses by number; a connection that was closed counts as 0. */
  const sendAll = async (count: number, make: (number: number, known: Known) => OddRequest) => {
    const statuses: Record<number, number> = {};
    let known = await renew();
    let next = 0;
    const worker = async () => {
      while (next < count) {
        const number = next++;
        if (number % 250 === 0) known = await renew();
        const odd = make(number, known);
        const { status } = await send(odd, agent).catch(() => ({ status: 0 }));
        statuses[status] = (statuses[status] ?? 0) + 1;
        assert.ok(
          status < 500 || status === 503,
          `${odd.method} ${odd.path.slice(0, 200)}: ${status}`,
        );
      }
    };
    await Promise.all(Array.from({ length: connections }, worker));
    return statuses;
  };

  const sendRaw = (text: string) =>
    new Promise<void>((resolve) => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1", () =>
        socket.end(text, "latin1"),
      );
      socket.on("error", () => undefined).on("close", () => resolve());
      socket.resume();
    });

  /** Tokens of a member and an admin, and a secret: each may be gone after an odd request. */
  const renew = async (): Promise<Known> => {
    const logIn = async (name: string) => {
      const body = Buffer.from(JSON.stringify(login("secret", { name })));
      const { token, text } = await ask({
        method: "POST",
        path: "/v3/auth/tokens",
        headers: {},
        body,
      });
      assert.notEqual(token, "", text);
      return token;
    };
    const tokens = [await logIn("alice"), await logIn("root")];
    const headers = { "x-auth-token": tokens[0] ?? "", "content-type": "application/json" };
    const body = Buffer.from(JSON.stringify({ payload: "p", payload_content_type: "text/plain" }));
    const { text } = await ask({ method: "POST", path: "/v1/secrets", headers, body });
    return { tokens, ids: [idOf((JSON.parse(text) as { secret_ref: string }).secret_ref)] };
  };

  /** Sends them, and says what they left. */
  const check = async (
    t: TestContext,
    count: number,
    make: (number: number, known: Known) => OddRequest,
  ) => {
    // What is compiled, prepared and learned on the way is there after the first round.
    await sendAll(Math.max(roundLength, 1_000), make);
    for (const raw of rawRequests) await sendRaw(raw);
    const first = await weigh();
    const statuses = await sendAll(count, make);
    for (let i = 0; i < count / 100; i++) await sendRaw(rawRequests[i % rawRequests.length] ?? "");
    const last = await weigh();
    t.diagnostic(`seed ${seed}; answers by status: ${JSON.stringify(statuses)}`);
    t.diagnostic(`before: ${JSON.stringify(first)}`);
    t.diagnostic(`after: ${JSON.stringify(last)}`);
    for (const [name, held] of Object.entries(last.held))
      assert.ok(held <= (bounds[name] ?? -1), `${name}: ${held}`);
    const grown = last.heap - first.heap;
    assert.ok(grown <= mostGrowth, `the heap grew by ${grown} bytes`);
    assert.ok(last.residentSet <= mostResident, `${last.residentSet} bytes are resident`);
    const health = { method: "GET", path: "/healthcheck", headers: {}, body: Buffer.alloc(0) };
    assert.equal((await ask(health)).status, 200);
  };

  it("leave memory where it was, and nothing that is remembered beyond its bound", async (t) => {
    const random = randomNumbers(seed);
    await check(t, requests, (number, known) => oddRequest(number, random, known));
  });

  it("leave nothing of what was claimed to log in", async (t) => {
    const random = randomNumbers(seed);
    await check(t, logins, (number) => oddLogin(number, random));
  });
});

/** The next message. A server that ends instead must fail the test, and not make it wait for ever. */
async function messageOf(child: ChildProcess): Promise<unknown> {
  const ended = once(child, "exit").then(() => assert.fail("the server's process ended"));
  const [message] = (await Promise.race([once(child, "message"), ended])) as [unknown];
  return message;
}
