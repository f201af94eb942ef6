import { mayHaveTakenEffect } from "../http/may-have-taken-effect.ts";
import type { Caller } from "../model/caller.ts";
import { KeyManagerError } from "../model/errors.ts";
import type { ObjectId } from "../model/managed-object.ts";
import type { BarbicanClient } from "./client/client.ts";
import type { OrderDocument } from "./client/orders.ts";
import { allPages } from "./client/page.ts";
import { listSecrets, serverSideName } from "./listing.ts";

export interface ResidueOptions {
  readonly client: BarbicanClient;
  readonly warn: (message: string) => void;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** Identifies the leftovers of a call. */
export interface Named {
  readonly name: string;
  readonly nameIsUnique: boolean;
}

/** How often to look for the result of a request whose reply was lost: the server may still be working. */
const looks = 4;
/** How often to see whether a pending order is done by then: RSA keys of 4096 bits take seconds. */
const looksAtPending = 8;
/** Before the second look; it doubles from then on. */
const firstPauseMs = 250;
const maxPauseMs = 8_000;
/** Barbican answers 500 to the deletion of what another request is at. */
const deletionAttempts = 4;

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
    await this.#tryToForgetOrder(caller, id);
  }

  /** Deletes a container that only carried a key pair here; its members are good. */
  async forgetContainer(caller: Caller, id: ObjectId): Promise<void> {
    try {
      await this.#client.containers.delete(caller, id);
    } catch (error) {
      if (!isGone(error)) this.#warn(`container ${id}: left behind: ${messageOf(error)}`);
    }
  }

  /** Deletes an order, and whatever it has made, after `error`. */
  async discardOrder(caller: Caller, id: ObjectId, named: Named, error: unknown): Promise<unknown> {
    try {
      const order = await this.#client.orders.get(caller, id);
      await this.#deleteResult(caller, order);
      const forgotten = await this.#tryToForgetOrder(caller, id);
      const { status, secretId, containerId } = order;
      if (status === "ERROR" || secretId !== undefined || containerId !== undefined) return error;
      // A worker that was at the order when it was deleted may have finished it since.
      if (named.nameIsUnique) await this.#deleteNamed(caller, named.name);
      return forgotten && named.nameIsUnique
        ? error
        : leavingBehind(error, `what Barbican may still make of order ${id}`, undefined);
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
      await this.#delete((client) => client.secrets.delete(caller, id));
      return error;
    } catch (leftover) {
      return leavingBehind(error, `secret ${id}`, leftover);
    }
  }

  async #tryToForgetOrder(caller: Caller, id: ObjectId): Promise<boolean> {
    try {
      await this.#client.orders.delete(caller, id);
      return true;
    } catch (error) {
      if (isGone(error)) return true;
      const hint =
        error instanceof KeyManagerError && error.code === "forbidden"
          ? "Barbican's legacy policy lets only admins delete orders; they count against the order quota"
          : messageOf(error);
      this.#warn(`order ${id}: left behind: ${hint}`);
      return false;
    }
  }

  async #deleteNamed(caller: Caller, name: string): Promise<void> {
    let found = false;
    for (let look = 0, left = looks; left > 0; look++, left--) {
      if (look > 0 && !found) {
        await this.#sleep(Math.min(maxPauseMs, firstPauseMs * 2 ** (look - 1)));
      }
      const { orders, containers, secrets } = await this.#named(caller, name);
      const pending = orders.some((order) => order.status === "PENDING");
      // An order that is deleted while a worker is at it may be finished all the same, so it is waited for,
      // and what it has made is looked for again if that took too long.
      if (pending) left = looks + 1;
      if (pending && look < looksAtPending) continue;
      for (const order of orders) {
        await this.#deleteResult(caller, order);
        await this.#tryToForgetOrder(caller, order.id);
      }
      for (const { id } of containers) {
        await this.#delete((client) => client.containers.delete(caller, id));
      }
      for (const { id } of secrets) {
        await this.#delete((client) => client.secrets.delete(caller, id));
      }
      const empty = orders.length + containers.length + secrets.length === 0;
      // The three lists are not of one instant: the server may have made the rest between them.
      if (empty && found) return;
      found = !empty && !pending;
      if (look >= looksAtPending + looks) return;
    }
  }

  /** Everything of that name. The server's filters only spare pages; the comparison is here. */
  async #named(caller: Caller, name: string) {
    const client = this.#client;
    // Barbican looks for the name in the order's JSON text, where other characters are escaped.
    const meta = /^[\w .:@/-]+$/.test(name) ? name : undefined;
    const [orders, containers, secrets] = await Promise.all([
      allPages((page) => client.orders.list(caller, { meta }, page)),
      allPages((page) => client.containers.list(caller, { name: serverSideName(name) }, page)),
      Array.fromAsync(listSecrets(client.secrets, caller, { name }, {})),
    ]);
    const isNamed = (item: { readonly name: string | undefined }) => item.name === name;
    return { orders: orders.filter(isNamed), containers: containers.filter(isNamed), secrets };
  }

  async #deleteResult(caller: Caller, order: OrderDocument): Promise<void> {
    const { secretId, containerId } = order;
    if (secretId !== undefined) {
      await this.#delete((client) => client.secrets.delete(caller, secretId));
    }
    if (containerId === undefined) return;
    try {
      const { members } = await this.#client.containers.get(caller, containerId);
      for (const member of members) {
        await this.#delete((client) => client.secrets.delete(caller, member.secretId));
      }
      await this.#delete((client) => client.containers.delete(caller, containerId));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /** Deletes something, or finds it gone; tries again while Barbican is busy with it. */
  async #delete(deletion: (client: BarbicanClient) => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await deletion(this.#client);
        return;
      } catch (error) {
        if (isGone(error)) return;
        const busy = error instanceof KeyManagerError && error.code === "unavailable";
        if (!busy || attempt === deletionAttempts) throw error;
        await this.#sleep(firstPauseMs * 2 ** (attempt - 1));
      }
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof KeyManagerError && error.code === "not_found";
}

function leavingBehind(error: unknown, what: string, leftover: unknown): KeyManagerError {
  const why = leftover === undefined ? "" : ` (${messageOf(leftover)})`;
  const code = error instanceof KeyManagerError ? error.code : "unavailable";
  return new KeyManagerError(code, `${messageOf(error)}; this may have left behind ${what}${why}`, {
    cause: error,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
