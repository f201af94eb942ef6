import type { Administration } from "../../src/identity/builtin/administration.ts";
import type { Requests } from "./requests.ts";

export const passwords = { root: "root's", alice: "alice's new", bob: "bob's", carol: "carol's" };
export const oldPasswords = { ...passwords, alice: "alice's old", dave: "dave's" };

export interface HistoryParts {
  readonly requests: Requests;
  readonly administration: Administration;
  readonly command: (name: string) => Promise<unknown>;
  /** Called when everything is as it was before the changes. */
  readonly halfway: () => Promise<void>;
}

/** What there is to be asked about, by path or id. */
export interface History {
  readonly secrets: readonly string[];
  readonly deletedSecret: string;
  readonly containers: readonly string[];
  readonly orders: readonly string[];
  readonly deletedOrder: string;
  readonly tokens: { readonly root: string; readonly alice: string; readonly bob: string };
  readonly revokedToken: string;
  /** The first was deleted. */
  readonly credentials: readonly { readonly id: string; readonly secret: string }[];
  readonly aliceId: string;
  readonly vaultId: string;
  readonly cellarId: string;
}

const text = (payload: string, name: string) => ({
  name,
  algorithm: "aes",
  bit_length: 256,
  mode: "xts",
  payload,
  payload_content_type: "text/plain",
});
const member = (path: string, name: string) => ({ name, secret_ref: `http://keys.test${path}` });
const consumer = (id: string) => ({ service: "s", resource_type: "t", resource_id: id });
const containerConsumer = (name: string) => ({ name, URL: `https://${name}.test` });

/** Fills a server with something of everything; then changes and deletes some of it. */
export async function makeHistory(parts: HistoryParts): Promise<History> {
  const { requests, administration, command } = parts;
  const ask = requests.ask.bind(requests);
  const must = requests.must.bind(requests);
  for (const name of ["vault", "cellar", "attic"]) await administration.createProject({ name });
  for (const [name, password] of Object.entries(oldPasswords))
    await administration.createUser({ name, password });
  for (const [user, project, role] of [
    ["root", "vault", "admin"],
    ["alice", "vault", "member"],
    ["bob", "cellar", "member"],
    ["bob", "attic", "member"],
    ["carol", "vault", "admin"],
    ["carol", "cellar", "reader"],
    ["dave", "vault", "member"],
  ] as const)
    await administration.grantRole(user, project, role);
  const idOf = async (name: string) => (await administration.findUser(name)).id;
  const [aliceId, bobId, carolId] = [await idOf("alice"), await idOf("bob"), await idOf("carol")];
  const vaultId = (await administration.findProject("vault")).id;
  const cellarId = (await administration.findProject("cellar")).id;
  const root = await requests.tokenOf("root", passwords.root, "vault");
  const old = await requests.tokenOf("alice", oldPasswords.alice, "vault");

  const expiring = { ...text("one", "first"), expiration: "2999-01-01T00:00:00" };
  const first = await must("POST", "/v1/secrets", old, expiring);
  const second = await must("POST", "/v1/secrets", old, text("two", "second"));
  const third = await must("POST", "/v1/secrets", old, { name: "without payload" });
  const deletedSecret = await must("POST", "/v1/secrets", old, text("gone", "deleted"));
  await must("PUT", `${first}/acl`, old, { read: { users: [bobId, carolId] } });
  await must("PUT", `${second}/acl`, old, { read: { users: [bobId] } });
  await must("PUT", `${first}/metadata`, old, { metadata: { kept: "old", gone: "old" } });
  await must("PUT", `${second}/metadata`, old, { metadata: { other: "value" } });
  for (const path of [first, second])
    for (const id of ["1", "2"]) await must("POST", `${path}/consumers`, old, consumer(id));
  const containers: string[] = [];
  for (const name of ["c", "d"]) {
    const secret_refs = [member(first, "a"), member(second, "b")];
    const body = { type: "generic", name, secret_refs };
    const path = await must("POST", "/v1/containers", old, body);
    containers.push(path);
    for (const who of ["e", "f"])
      await must("POST", `${path}/consumers`, old, containerConsumer(who));
  }
  const orders: string[] = [];
  for (const bits of [256, 128, 192]) {
    const meta = { algorithm: "aes", bit_length: bits, name: "ordered" };
    orders.push(await must("POST", "/v1/orders", old, { type: "key", meta }));
  }
  const ordered: string[] = [];
  for (const path of orders) {
    const { body } = await ask("GET", path, { token: old });
    ordered.push(new URL((body as { readonly secret_ref: string }).secret_ref).pathname);
  }
  const deletedOrder = orders.pop() ?? "";
  for (const id of [vaultId, cellarId])
    await must("PUT", `/v1/project-quotas/${id}`, root, {
      project_quotas: { secrets: 50, orders: 50 },
    });
  const ofAlice = `/v3/users/${aliceId}/application_credentials`;
  const credentials: History["credentials"][number][] = [];
  for (const name of ["deleted", "kept"]) {
    const application_credential = {
      name,
      roles: [{ name: "member" }],
      expires_at: "2999-01-01T00:00:00",
      access_rules: [{ path: "/v1/secrets/**", method: "GET", service: "key-manager" }],
    };
    const { body } = await ask("POST", ofAlice, { token: old, body: { application_credential } });
    const made = body as { readonly application_credential: History["credentials"][number] };
    credentials.push(made.application_credential);
  }
  await parts.halfway();

  await administration.setPassword("alice", passwords.alice);
  const alice = await requests.tokenOf("alice", passwords.alice, "vault");
  const bob = await requests.tokenOf("bob", passwords.bob, "cellar");
  await administration.setUserEnabled("carol", false);
  await administration.setProjectEnabled("attic", false);
  await administration.revokeRole("carol", "vault", "admin");
  await administration.deleteUser("dave");
  await must("DELETE", `${ofAlice}/${credentials[0]?.id}`, alice);
  const [container = ""] = containers;
  for (const path of [first, container])
    await must("PUT", `${path}/acl`, alice, { read: { users: [carolId] } });
  await must("PUT", `${first}/metadata`, alice, { metadata: { kept: "new", added: "new" } });
  await must("DELETE", `${first}/consumers`, alice, consumer("2"));
  await must("DELETE", `${container}/consumers`, alice, containerConsumer("f"));
  await must("DELETE", `${container}/secrets`, alice, member(second, "b"));
  for (const path of [deletedSecret, deletedOrder]) await must("DELETE", path, alice);
  // Its next secret is one too many.
  await must("PUT", `/v1/project-quotas/${cellarId}`, root, { project_quotas: { secrets: 1 } });
  const bobs = await must("POST", "/v1/secrets", bob, text("bob", "of bob"));
  await command("rotate project-keys");
  await command("audit seal");
  return {
    secrets: [first, second, third, bobs, ...ordered],
    deletedSecret,
    containers,
    orders,
    deletedOrder,
    tokens: { root, alice, bob },
    revokedToken: old,
    credentials,
    aliceId,
    vaultId,
    cellarId,
  };
}
