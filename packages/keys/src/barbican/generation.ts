import { aborted } from "../http/until-aborted.ts";
import type { Caller } from "../model/caller.ts";
import { KeyManagerError } from "../model/errors.ts";
import type { ObjectId } from "../model/managed-object.ts";
import type { BarbicanClient } from "./client/client.ts";
import type { OrderDocument, OrderMeta } from "./client/orders.ts";
import type { Residue } from "./residue.ts";

export interface GenerationOptions {
  readonly client: BarbicanClient;
  readonly residue: Residue;
  /** How long an order may stay pending. */
  readonly orderTimeoutMs: number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly random: () => number;
  readonly now: () => Date;
}

/** What is asked of Barbican to generate. */
export interface GenerationRequest {
  readonly type: "key" | "asymmetric";
  readonly meta: OrderMeta & { readonly name: string };
  /** See `SymmetricKeySpec.nameIsUnique`. */
  readonly nameIsUnique: boolean;
}

/** The first answer is usually there at once; from then on patience doubles. */
const firstPollMs = 20;
const maxPollMs = 2_000;

/** Generates through an order, and leaves neither the order nor, on failure, its result behind. */
export class Generation {
  readonly #options: GenerationOptions;

  constructor(options: GenerationOptions) {
    this.#options = options;
  }

  /**
   * @param take reads the result off the finished order; what it rejects with, undoes the order.
   */
  async run<T>(
    caller: Caller,
    request: GenerationRequest,
    take: (order: OrderDocument) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { client, residue } = this.#options;
    const named = { name: request.meta.name, nameIsUnique: request.nameIsUnique };
    let orderId: ObjectId;
    try {
      orderId = await client.orders.create(caller, request.type, request.meta, { signal });
    } catch (error) {
      throw await residue.sweep(caller, named, error);
    }
    let result: T;
    try {
      result = await take(await this.#finished(caller, orderId, request.meta, signal));
    } catch (error) {
      throw await residue.discardOrder(caller, orderId, named, error);
    }
    await residue.forgetOrder(caller, orderId);
    return result;
  }

  async #finished(
    caller: Caller,
    id: ObjectId,
    meta: OrderMeta,
    signal: AbortSignal | undefined,
  ): Promise<OrderDocument> {
    const { client, orderTimeoutMs, now, random, sleep } = this.#options;
    const deadline = now().getTime() + orderTimeoutMs;
    for (let delayMs = firstPollMs; ; delayMs = Math.min(delayMs * 2, maxPollMs)) {
      const order = await client.orders.get(caller, id, { signal });
      if (order.status === "ACTIVE") return order;
      if (order.status === "ERROR") throw refused(order, meta);
      if (now().getTime() + delayMs > deadline) {
        throw new KeyManagerError(
          "unavailable",
          `order ${id}: still ${order.status} after ${orderTimeoutMs} ms: is Barbican's worker running?`,
        );
      }
      await sleep(delayMs * (0.75 + random() / 2), signal).catch(() => {
        throw aborted(`order ${id}`, signal);
      });
    }
  }
}

/** Barbican's default store reports a length that it does not have as an internal error. */
function refused(order: OrderDocument, meta: OrderMeta): KeyManagerError {
  const subject = `generate ${meta.algorithm} of ${meta.bitLength} bits`;
  const said = (order.errorReason ?? "no reason given").slice(0, 300).replace(/\.+$/, "");
  if (order.errorStatusCode === "400" || !isCommon(meta)) {
    return new KeyManagerError(
      "unsupported",
      `${subject}: Barbican's secret store has no such key: ${said}`,
    );
  }
  return new KeyManagerError(
    "unavailable",
    `${subject}: the order failed with status ${order.errorStatusCode ?? "unknown"}: ${said}`,
  );
}

function isCommon({ algorithm, bitLength, mode }: OrderMeta): boolean {
  const lengths = /^(rsa|dsa)$/i.test(algorithm)
    ? [1024, 2048, 4096]
    : mode === "xts"
      ? [128, 256, 384, 512]
      : [64, 128, 192, 256];
  return lengths.includes(bitLength);
}
