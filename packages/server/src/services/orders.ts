import { randomBytes } from "node:crypto";
import { seal } from "../crypto/seal.ts";
import type { Principal } from "../model/principal.ts";
import { quotaReached, tooManyRequests, WireError } from "../model/wire-error.ts";
import { type Aes512, type Recipe, recipeOf, type Unfit } from "../orders/algorithms.ts";
import {
  deleteOrder,
  insertOrder,
  listOrders,
  type Made,
  type OrderRow,
} from "../store/operations/orders.ts";
import type { PageOf } from "../store/operations/pages.ts";
import { nowOf, type RequestContext, storeSealed } from "./context.ts";
import { notFound } from "./not-found.ts";
import type { OrderAnswers } from "./order-answers.ts";
import type { Permit } from "./permit.ts";
import { makeSecret } from "./secrets.ts";

export type { OrderRow };

/** What an order asks for; `meta` is what is shown again, without the passphrase. */
export interface NewOrder {
  readonly type: "key" | "asymmetric";
  readonly meta: Readonly<Record<string, unknown>>;
  readonly attributes: OrderAttributes;
  /** Encrypts the private key of a pair. */
  readonly passphrase?: string;
}

export interface OrderAttributes {
  readonly name: string | null;
  readonly algorithm: string;
  readonly bitLength: number;
  readonly mode: string | null;
  readonly expiration: string | null;
  readonly contentType: string;
}

export interface OrderServiceOptions {
  readonly context: RequestContext;
  /** Called when an order waits to be carried out. */
  readonly wake: () => void;
  /** Called when an order was deleted, with its id. */
  readonly forget: (id: string) => void;
  /** What the answers to orders for key pairs wait for. */
  readonly answers: OrderAnswers;
  readonly aes512: Aes512;
}

/** For messages. */
const operation = "Order creation";

/** Keys that the server makes, so that their bytes cross no wire. */
export class OrderService {
  readonly #context: RequestContext;
  readonly #wake: () => void;
  readonly #forget: (id: string) => void;
  readonly #answers: OrderAnswers;
  readonly #aes512: Aes512;

  constructor(options: OrderServiceOptions) {
    this.#context = options.context;
    this.#wake = options.wake;
    this.#forget = options.forget;
    this.#answers = options.answers;
    this.#aes512 = options.aes512;
  }

  /**
   * Accepts an order; resolves to its id when it will survive a crash. A key is there by then, and a key pair if it was
   * made in time, see {@link OrderAnswers}.
   */
  async create(permit: Permit, order: NewOrder): Promise<string> {
    const id = this.#context.newId();
    const { algorithm, bitLength, mode } = order.attributes;
    const recipe = recipeOf(order.type, algorithm, bitLength, mode, this.#aes512);
    if (recipe.type !== "pair") {
      await this.#insert(permit, id, order, recipe);
      return id;
    }
    const expected = this.#answers.expect(id);
    try {
      await this.#insert(permit, id, order, recipe);
      this.#wake();
      await expected.inTime();
    } finally {
      expected.forget();
    }
    return id;
  }

  list(
    permit: Permit,
    { metaToken, ...page }: PageOf & { readonly metaToken?: string },
  ): Promise<{
    readonly rows: readonly OrderRow[];
    readonly total: number;
    readonly offset: number;
  }> {
    const { store, clock } = this.#context;
    return store.read(listOrders, {
      ...page,
      projectId: permit.principal.projectId,
      // A whole JSON string in the meta.
      metaPart: metaToken === undefined ? null : JSON.stringify(metaToken),
      now: nowOf(clock),
    });
  }

  async remove(permit: Permit, { id, project_id: projectId }: OrderRow): Promise<void> {
    const result = await permit.write(deleteOrder, { id, projectId });
    if ("refused" in result) throw notFound("Order");
    this.#forget(id);
  }

  /** PUT on the collection. @throws WireError 405, always */
  refuseUpdate(_permit: Permit): never {
    throw new WireError(405, "Orders cannot be updated.");
  }

  async #insert(
    permit: Permit,
    id: string,
    order: NewOrder,
    recipe: Recipe | Unfit,
  ): Promise<void> {
    const context = this.#context;
    const { principal } = permit;
    const result = await storeSealed(context, principal.projectId, async () => {
      const made =
        recipe.type === "key"
          ? await this.#makeKey(principal, order.attributes, recipe.bytes)
          : undefined;
      const secretId = made?.secrets[0]?.row.id ?? null;
      const row = await this.#row(principal, id, order, recipe, secretId);
      return permit.write(
        insertOrder,
        {
          row,
          ...(made && { made }),
          defaultQuotas: context.defaultQuotas,
          maxWaiting: context.limits.waitingOrders,
        },
        id,
      );
    });
    if ("refused" in result)
      throw result.refused === "quota"
        ? quotaReached(operation, result.kind)
        : tooManyRequests(`${operation} is not possible now: too many orders of the project wait.`);
  }

  async #makeKey(
    principal: Principal,
    attributes: OrderAttributes,
    byteLength: number,
  ): Promise<Made> {
    const bytes = randomBytes(byteLength);
    const { contentType, ...rest } = attributes;
    const secret = { ...rest, secretType: "symmetric", payload: { bytes, contentType } };
    const made = await makeSecret(this.#context, principal, this.#context.newId(), secret);
    bytes.fill(0);
    return { secrets: [made] };
  }

  async #row(
    principal: Principal,
    id: string,
    order: NewOrder,
    recipe: Recipe | Unfit,
    secretId: string | null,
  ): Promise<OrderRow> {
    const now = this.#context.clock.timestamp();
    const sealed = recipe.type === "pair" ? await this.#sealPassphrase(principal, id, order) : null;
    return {
      id,
      project_id: principal.projectId,
      creator_id: principal.userId,
      type: order.type,
      meta: JSON.stringify(order.meta),
      status: statusOf(recipe),
      secret_id: secretId,
      container_id: null,
      error_status: recipe.type === "unfit" ? recipe.status : null,
      error_reason: recipe.type === "unfit" ? recipe.reason : null,
      passphrase: sealed?.bytes ?? null,
      passphrase_generation: sealed?.generation ?? null,
      created: now,
      updated: now,
    };
  }

  async #sealPassphrase(
    principal: Principal,
    id: string,
    order: NewOrder,
  ): Promise<{ readonly bytes: Uint8Array; readonly generation: number } | null> {
    if (order.passphrase === undefined) return null;
    const key = await this.#context.keys.toSeal(principal.projectId);
    const context = passphraseContext(principal.projectId, id);
    const bytes = seal(key.sealing, context, Buffer.from(order.passphrase));
    return { bytes, generation: key.generation };
  }
}

/** What binds an order's passphrase to its place, while the order waits. */
export function passphraseContext(projectId: string, orderId: string): readonly string[] {
  return ["chatelaine order passphrase", projectId, orderId];
}

function statusOf(recipe: Recipe | Unfit): OrderRow["status"] {
  if (recipe.type === "key") return "ACTIVE";
  return recipe.type === "unfit" ? "ERROR" : "PENDING";
}
