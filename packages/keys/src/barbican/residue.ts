import type { Caller } from "../caller.ts";
import { KeyManagerError } from "../errors.ts";
import { mayHaveTakenEffect } from "../http/never-sent.ts";
import type { ObjectId } from "../managed-object.ts";
import type { BarbicanClient } from "./client/client.ts";
import type { OrderDocument } from "./client/orders.ts";

export interface ResidueOptions {
  readonly client: BarbicanClient;
  readonly warn: (message: string) => void;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** By what the leftovers of a call can be told from everything else. */
export interface Named {
  readonly name: string;
  readonly nameIsUnique: boolean;
}

/** When to look for what a request whose reply was lost may have made: the server may still be at it. */
const looksAfterMs = [0, 250, 1_000];

/**
 * Removes what a failed call left in Barbican.
 *
 * Nothing here throws: each method returns the error to reject with, which says
 * so where something could not be removed. The caller's abort signal is not
 * heeded, because leaving early is what makes leftovers.
 */
export class Residue {
  readonly #client: BarbicanClient;
  readonly #warn: (message: string) => void;
  readonly #sleep: (ms: number) => Promise<void>;

  constructor(options: ResidueOptions) {
    this.#client = options.client;
    this.#warn = options.warn;
    this.#sleep = options.sleep;
  }

  /** Deletes a finished order. Its result is good, so a failure is a warning only. */
  async forgetOrder(caller: Caller, id: ObjectId): Promise<void> {
    try {
      await this.#client.orders.delete(caller, id);
    } catch (error) {
      if (isGone(error)) return;
      const hint =
        error instanceof KeyManagerError && error.code === "forbidden"
          ? "Barbican's legacy policy lets only admins delete orders; they count against the order quota"
          : messageOf(error);
      this.#warn(`order ${id}: left behind: ${hint}`);
    }
  }

  /** Deletes an order, and whatever it has made, after `error`. */
  async discardOrder(caller: Caller, id: ObjectId, named: Named, error: unknown): Promise<unknown> {
    try {
      const order = await this.#client.orders.get(caller, id);
      await this.#deleteResult(caller, order);
      await this.forgetOrder(caller, id);
      // A worker that was at the order when it was deleted may have finished it since.
      if (order.status === "PENDING" && named.nameIsUnique)
        await this.#deleteNamed(caller, named.name);
      return error;
    } catch (leftover) {
      if (isGone(leftover)) return error;
      return leavingBehind(error, `order ${id} and its result`, leftover);
    }
  }

  /** After a request that may have taken effect though no good answer came. */
  async sweep(caller: Caller, { name, nameIsUnique }: Named, error: unknown): Promise<unknown> {
    if (!mayHaveTakenEffect(error)) return error;
    if (!nameIsUnique) {
      return leavingBehind(
        error,
        `an object named ${JSON.stringify(name)} (its name may be another's, so it was not looked for)`,
        undefined,
      );
    }
    try {
      await this.#deleteNamed(caller, name);
      return error;
    } catch (leftover) {
      return leavingBehind(error, `an object named ${JSON.stringify(name)}`, leftover);
    }
  }

  /** Deletes a secret that must not stay, after `error`. */
  async discardSecret(caller: Caller, id: ObjectId, error: unknown): Promise<unknown> {
    try {
      await this.#client.secrets.delete(caller, id);
      return error;
    } catch (leftover) {
      return isGone(leftover) ? error : leavingBehind(error, `secret ${id}`, leftover);
    }
  }

  async #deleteNamed(caller: Caller, name: string): Promise<void> {
    for (const delayMs of looksAfterMs) {
      if (delayMs > 0) await this.#sleep(delayMs);
      let found = false;
      const orders = await this.#client.orders.list(caller, { meta: name });
      for (const order of orders.items.filter((item) => item.name === name)) {
        found = true;
        await this.#deleteResult(caller, order);
        await this.forgetOrder(caller, order.id);
      }
      const containers = await this.#client.containers.list(caller, { name });
      for (const container of containers.items.filter((item) => item.name === name)) {
        found = true;
        await unlessGone(this.#client.containers.delete(caller, container.id));
      }
      const secrets = await this.#client.secrets.list(caller, { name });
      for (const secret of secrets.items.filter((item) => item.name === name)) {
        found = true;
        await unlessGone(this.#client.secrets.delete(caller, secret.id));
      }
      if (found) return;
    }
  }

  async #deleteResult(caller: Caller, order: OrderDocument): Promise<void> {
    if (order.secretId !== undefined)
      await unlessGone(this.#client.secrets.delete(caller, order.secretId));
    if (order.containerId === undefined) return;
    try {
      const container = await this.#client.containers.get(caller, order.containerId);
      for (const { secretId } of container.members)
        await unlessGone(this.#client.secrets.delete(caller, secretId));
      await unlessGone(this.#client.containers.delete(caller, order.containerId));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof KeyManagerError && error.code === "not_found";
}

async function unlessGone(deletion: Promise<void>): Promise<void> {
  await deletion.catch((error: unknown) => {
    if (!isGone(error)) throw error;
  });
}

function leavingBehind(error: unknown, what: string, leftover: unknown): KeyManagerError {
  const why = leftover === undefined ? "" : ` (${messageOf(leftover)})`;
  const code = error instanceof KeyManagerError ? error.code : "unavailable";
  return new KeyManagerError(code, `${messageOf(error)}; it may have left behind ${what}${why}`, {
    cause: error,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
