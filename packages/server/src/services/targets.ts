import type { Principal } from "../model/principal.ts";
import type { PolicyTarget } from "../policy/policy.ts";
import { type ContainerRow, findContainer } from "../store/operations/containers.ts";
import { findOrder, type OrderRow } from "../store/operations/orders.ts";
import {
  findSecret,
  findSecretWithPayload,
  type SecretRow,
  type SecretWithPayload,
} from "../store/operations/secrets.ts";
import type { Tagged } from "../store/tagged-rows.ts";
import { nowOf, type ServiceContext } from "./context.ts";
import { checkId } from "./ids.ts";
import { notFound } from "./not-found.ts";
import { factsOf, type OwnedRow, ownersOf } from "./ownership.ts";
import { type GuardedAction, Permit } from "./permit.ts";

/** Kind of target → what is loaded for it, verified. */
export interface Targets {
  /** The path names no single object. */
  readonly none: undefined;
  readonly secret: Tagged<SecretRow>;
  /** A secret with its sealed payload, in one read. */
  readonly payload: SecretWithPayload;
  readonly container: Tagged<ContainerRow>;
  /** A container whose consumer the path names by an id that may be one. */
  readonly "container consumer": Tagged<ContainerRow>;
  /** An object whose ACL is read or changed: the policy gets to know its owners, and nobody who was granted access. */
  readonly "secret ACL": OwnedRow;
  readonly "container ACL": OwnedRow;
  readonly order: OrderRow;
}

type Params = Readonly<Record<string, string>>;

interface TargetKind<T> {
  /** @throws WireError 404 */
  load(context: ServiceContext, params: Params, caller: Principal): Promise<T>;
  /** What the policy may know of it. */
  facts(target: T, caller: Principal): PolicyTarget;
}

const kinds: { readonly [Kind in keyof Targets]: TargetKind<Targets[Kind]> } = {
  none: { load: async () => undefined, facts: () => ({}) },
  secret: { load: loadSecret, facts: factsOf },
  payload: { load: loadPayload, facts: factsOf },
  container: { load: loadContainer, facts: factsOf },
  "container consumer": {
    load: async (context, params) => {
      const container = await loadContainer(context, params);
      checkId("consumer", params["consumer"] ?? "");
      return container;
    },
    facts: factsOf,
  },
  "secret ACL": { load: loadSecret, facts: ownersOf },
  "container ACL": { load: loadContainer, facts: ownersOf },
  order: { load: loadOrder, facts: ownersOf },
};

/** Loads what requests name, once each, and asks the policy about it. */
export class TargetGate {
  readonly #context: ServiceContext;

  constructor(context: ServiceContext) {
    this.#context = context;
  }

  /** @throws WireError 404 */
  load<Kind extends keyof Targets>(
    kind: Kind,
    { params }: { readonly params: Params },
    caller: Principal,
  ): Promise<Targets[Kind]> {
    return kinds[kind].load(this.#context, params, caller);
  }

  /** @throws WireError 403 */
  permit<Kind extends keyof Targets>(
    action: GuardedAction & { readonly target: Kind },
    caller: Principal,
    target: Targets[Kind],
  ): Permit | Promise<Permit> {
    const facts = kinds[action.target].facts(target, caller);
    return Permit.ask(this.#context, caller, action, facts, target?.id);
  }

  record(permit: Permit): Promise<void> {
    return permit.record();
  }

  /** Reads an object again, after another caller changed it. @throws WireError 404 */
  reload(kind: "secret" | "container", id: string): Promise<OwnedRow> {
    const load = kind === "secret" ? loadSecret : loadContainer;
    return load(this.#context, { id });
  }
}

async function loadSecret(context: ServiceContext, params: Params): Promise<Tagged<SecretRow>> {
  const id = idIn("secret", params);
  const now = nowOf(context.clock);
  return (await context.store.read(findSecret, { id, now })) ?? missing("Secret");
}

async function loadPayload(context: ServiceContext, params: Params): Promise<SecretWithPayload> {
  const id = idIn("secret", params);
  const now = nowOf(context.clock);
  return (await context.store.read(findSecretWithPayload, { id, now })) ?? missing("Secret");
}

async function loadContainer(
  context: ServiceContext,
  params: Params,
): Promise<Tagged<ContainerRow>> {
  const id = idIn("container", params);
  return (await context.store.read(findContainer, { id })) ?? missing("Secrets container");
}

/** An order of another project does not exist for the caller. */
async function loadOrder(
  { store }: ServiceContext,
  { id = "" }: Params,
  { projectId }: Principal,
): Promise<OrderRow> {
  return (await store.read(findOrder, { id, projectId })) ?? missing("Order");
}

function idIn(kind: "secret" | "container", { id = "" }: Params): string {
  checkId(kind, id);
  return id;
}

function missing(...what: Parameters<typeof notFound>): never {
  throw notFound(...what);
}
