import { type History, oldPasswords, passwords } from "./history.ts";
import type { Answer, Requests } from "./requests.ts";

/** One question, by a name that is unique. */
export type Probe = readonly [name: string, ask: () => Promise<Answer>];

/** Everything that can be asked about secrets, containers, orders and quotas. */
export function objectProbes(requests: Requests, history: History): readonly Probe[] {
  const get = getter(requests, history);
  const { secrets, deletedSecret, containers, orders, deletedOrder, cellarId } = history;
  const { bob } = history.tokens;
  return [
    ...[...secrets, deletedSecret].flatMap((path) => [
      ...["", "/metadata", "/consumers", "/acl"].map((part) => get("alice", path + part)),
      get("alice", `${path}/payload`, "text/plain"),
      get("bob", path),
      get("bob", `${path}/payload`, "text/plain"),
    ]),
    ...containers.flatMap((path) => [
      ...["", "/acl", "/consumers"].map((part) => get("alice", path + part)),
      get("bob", path),
    ]),
    ...[...orders, deletedOrder].flatMap((path) => [get("alice", path), get("bob", path)]),
    ...["secrets?limit=100", "secrets?acl_only=true", "containers", "orders", "quotas"].flatMap(
      (path) => [get("alice", `/v1/${path}`), get("bob", `/v1/${path}`)],
    ),
    get("root", "/v1/project-quotas"),
    get("root", `/v1/project-quotas/${cellarId}`),
    [
      "bob stores one more than the quota",
      async () => {
        const asked = { token: bob, body: { name: "one more" } };
        const made = await requests.ask("POST", "/v1/secrets", asked);
        if (made.status !== 201) return made;
        const { secret_ref: ref } = made.body as { readonly secret_ref: string };
        await requests.must("DELETE", new URL(ref).pathname, bob);
        return { status: 201, body: "made" };
      },
    ],
  ];
}

/** Everything that can be asked about users, and as whom. */
export function peopleProbes(requests: Requests, history: History): readonly Probe[] {
  const get = getter(requests, history);
  const logins = [
    ["root", passwords.root, "vault"],
    ["alice", passwords.alice, "vault"],
    ["alice", oldPasswords.alice, "vault"],
    ["alice", passwords.alice, "cellar"],
    ["bob", passwords.bob, "cellar"],
    ["bob", passwords.bob, "vault"],
    ["bob", passwords.bob, "attic"],
    ["carol", passwords.carol, "vault"],
    ["carol", passwords.carol, "cellar"],
    ["dave", oldPasswords.dave, "vault"],
  ] as const;
  return [
    ...logins.map(
      ([name, password, project]): Probe => [
        `${name} logs in to ${project} with ${password}`,
        async () => worth(await requests.logIn(name, password, project)),
      ],
    ),
    ...history.credentials.map(
      ({ id, secret }, n): Probe => [
        `application credential ${n} logs in`,
        async () => {
          const methods = ["application_credential"];
          const identity = { methods, application_credential: { id, secret } };
          const body = { auth: { identity } };
          return worth(await requests.ask("POST", "/v3/auth/tokens", { body }));
        },
      ],
    ),
    ...(["root", "alice", "bob", "revoked"] as const).map((who) =>
      get(who, "/v1/secrets?limit=100"),
    ),
    ...["users", "projects", "role_assignments"].map((path) => get("root", `/v3/${path}`)),
    get("alice", `/v3/users/${history.aliceId}/application_credentials`),
    get("root", "/v1/project-quotas"),
  ];
}

function getter(requests: Requests, { tokens, revokedToken }: History) {
  const known = { ...tokens, revoked: revokedToken };
  return (who: keyof typeof known, path: string, accept?: string): Probe => [
    `${who} GET ${path}`,
    () => requests.ask("GET", path, { token: known[who], ...(accept !== undefined && { accept }) }),
  ];
}

/** What a login gives, without what is another each time. */
function worth({ status, body }: Answer): Answer {
  const { token } = body as { readonly token?: Readonly<Record<string, unknown>> };
  return { status, body: token && [token["user"], token["project"], token["roles"]] };
}
