import type { LoadGenerator, Outcome } from "./load.ts";
import type { Peer } from "./peers.ts";

/** A request as it goes over the wire. */
export function requestOf(
  peer: Peer,
  method: string,
  path: string,
  { accept = "application/json", body = "" } = {},
): string {
  const content =
    body && `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1:${peer.port}\r\nx-auth-token: ${peer.token}\r\naccept: ${accept}\r\n${content}\r\n${body}`;
}

const secretBody = JSON.stringify({
  name: "bench",
  algorithm: "aes",
  bit_length: 256,
  payload: Buffer.alloc(32, 7).toString("base64"),
  payload_content_type: "application/octet-stream",
  payload_content_encoding: "base64",
});
const orderBody = JSON.stringify({ type: "key", meta: { algorithm: "aes", bit_length: 256 } });

/** Stores secrets. @returns their ids */
export async function storeSecrets(
  load: LoadGenerator,
  peer: Peer,
  count: number,
): Promise<readonly string[]> {
  if (count === 0) return [];
  const { bodies } = await load.fire({
    port: peer.port,
    connections: 8,
    forMs: 3_600_000,
    requests: Array.from({ length: count }, () =>
      requestOf(peer, "POST", "/v1/secrets", { body: secretBody }),
    ),
    once: true,
    expected: 201,
    collect: true,
  });
  return bodies.map((body) => {
    const { secret_ref: ref } = JSON.parse(body) as { readonly secret_ref: string };
    return ref.slice(ref.lastIndexOf("/") + 1);
  });
}

/** Stores secrets whose ids nobody asks for, in volleys that the load generator can hold. A million take two minutes. */
export async function storeMany(load: LoadGenerator, peer: Peer, count: number): Promise<void> {
  const volley = 20_000;
  for (let left = count; left > 0; left -= volley) {
    const request = requestOf(peer, "POST", "/v1/secrets", { body: secretBody });
    await load.fire({
      port: peer.port,
      connections: 32,
      forMs: 3_600_000,
      requests: Array.from({ length: Math.min(volley, left) }, () => request),
      once: true,
      expected: 201,
      collect: false,
    });
  }
}

/** A server with what the scenarios read. */
export interface Target {
  readonly peer: Peer;
  readonly ids: readonly string[];
  /** Secrets that each run of DELETE may delete. */
  readonly doomed: number;
}

export interface Shot {
  readonly load: LoadGenerator;
  readonly target: Target;
  readonly connections: number;
  readonly forMs: number;
}

export interface Scenario {
  readonly name: string;
  run(shot: Shot): Promise<Outcome>;
}

const repeated =
  (expected: number, requests: (target: Target) => readonly string[]): Scenario["run"] =>
  ({ load, target, connections, forMs }) =>
    load.fire({
      port: target.peer.port,
      connections,
      forMs,
      requests: requests(target),
      once: false,
      expected,
      collect: false,
    });

export const getPayload: Scenario = {
  name: "GET payload",
  run: repeated(200, ({ peer, ids }) =>
    ids.map((id) =>
      requestOf(peer, "GET", `/v1/secrets/${id}/payload`, { accept: "application/octet-stream" }),
    ),
  ),
};

export const postSecret: Scenario = {
  name: "POST secret",
  run: repeated(201, ({ peer }) => [requestOf(peer, "POST", "/v1/secrets", { body: secretBody })]),
};

export const list: Scenario = {
  name: "list of 10",
  run: repeated(200, ({ peer }) => [requestOf(peer, "GET", "/v1/secrets?limit=10")]),
};

export const scenarios: readonly Scenario[] = [
  {
    name: "GET metadata",
    run: repeated(200, ({ peer, ids }) =>
      ids.map((id) => requestOf(peer, "GET", `/v1/secrets/${id}`)),
    ),
  },
  getPayload,
  list,
  postSecret,
  {
    name: "POST key order",
    run: repeated(202, ({ peer }) => [requestOf(peer, "POST", "/v1/orders", { body: orderBody })]),
  },
  {
    name: "DELETE",
    async run({ load, target, connections, forMs }) {
      const { peer } = target;
      const ids = await storeSecrets(load, peer, target.doomed);
      return load.fire({
        port: peer.port,
        connections,
        forMs,
        requests: ids.map((id) => requestOf(peer, "DELETE", `/v1/secrets/${id}`)),
        once: true,
        expected: 204,
        collect: false,
      });
    },
  },
];

/** The bare server answers anything; what it is asked is as long as what the others are asked. */
export const constant: Scenario["run"] = repeated(200, ({ peer }) => [
  requestOf(peer, "GET", "/v1/secrets/00000000-0000-4000-8000-000000000000/payload", {
    accept: "application/octet-stream",
  }),
]);
