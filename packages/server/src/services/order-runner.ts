import { open } from "../crypto/seal.ts";
import { formatTimestamp } from "../model/clock.ts";
import { ServerError } from "../model/server-error.ts";
import { type KeyPairRecipe, pairRecipeOf } from "../orders/algorithms.ts";
import type { KeyPairMaker } from "../orders/key-pair-generator.ts";
import { type PairPart, payloadOfPair } from "../orders/pair-payloads.ts";
import {
  claimOrder,
  finishOrder,
  type Made,
  type OrderRow,
  releaseClaims,
  renewClaim,
} from "../store/operations/orders.ts";
import { makeContainer } from "./containers.ts";
import { nowOf, type ServiceContext, storeSealed } from "./context.ts";
import type { OrderAnswers } from "./order-answers.ts";
import { passphraseContext } from "./orders.ts";
import { makeSecret } from "./secrets.ts";

export interface OrderRunnerOptions {
  readonly context: ServiceContext;
  readonly generator: KeyPairMaker;
  /** Told when an order is done. */
  readonly answers: OrderAnswers;
  /** How long a claim holds that is not renewed, as after a crash; in milliseconds. Default 60,000. */
  readonly claimMs?: number;
  /**
   * How often orders that another process left behind are looked for, and whether
   * those under way were deleted; in milliseconds. Default 5,000.
   */
  readonly pollMs?: number;
  readonly onFinished?: (outcome: "ACTIVE" | "ERROR") => void;
  readonly onTrouble?: (error: unknown) => void;
}

/** An order that is being carried out. */
interface UnderWay {
  readonly projectId: string;
  readonly deleted: AbortController;
  readonly ended: Promise<void>;
}

/**
 * Carries out orders that wait: side by side, the projects in turn. One project never
 * has the last place of several, so that a small pair of another does not wait for its
 * large ones. Claims keep processes apart, and the end of an order is one transaction,
 * so that it is carried out exactly once whatever crashes when. The work of an order
 * that is deleted stops.
 */
export class OrderRunner {
  readonly #options: OrderRunnerOptions;
  readonly #claimMs: number;
  readonly #pollMs: number;
  /** By the order's id. */
  readonly #underWay = new Map<string, UnderWay>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #woken = false;
  #stopped = false;

  constructor(options: OrderRunnerOptions) {
    this.#options = options;
    this.#claimMs = options.claimMs ?? 60_000;
    this.#pollMs = options.pollMs ?? 5_000;
  }

  /** Starts with what an earlier life, or another process, has left. */
  async start(): Promise<void> {
    const { context } = this.#options;
    // SQLite has one process: whatever is claimed was claimed by one that is no more.
    if (context.store.dialect === "sqlite") await context.store.write(releaseClaims, null);
    this.#timer = setInterval(() => this.wake(), this.#pollMs).unref();
    this.wake();
  }

  /** Says that an order waits. */
  wake(): void {
    this.#woken = true;
    if (this.#stopped) return;
    this.#running ??= this.#fill().finally(() => {
      this.#running = undefined;
    });
  }

  /** Says that an order was deleted: nobody waits for its key pair. */
  forget(id: string): void {
    this.#underWay.get(id)?.deleted.abort();
    this.#options.answers.settle(id);
  }

  /** Stops at once; orders under way are left to the next start, or to another process. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#options.generator.close();
    await this.#running;
    await Promise.all([...this.#underWay.values()].map(({ ended }) => ended));
  }

  /** Begins orders while there are some and there is a place for them. */
  async #fill(): Promise<void> {
    const { generator, onTrouble } = this.#options;
    try {
      while (this.#woken && !this.#stopped) {
        this.#woken = false;
        while (!this.#stopped && this.#underWay.size < generator.atOnce) {
          const order = await this.#claim();
          if (!order) break;
          this.#begin(order);
        }
      }
    } catch (error) {
      if (!this.#stopped) onTrouble?.(error);
    } finally {
      if (!this.#stopped && this.#underWay.size === 0) generator.rest();
    }
  }

  #begin(order: OrderRow): void {
    const deleted = new AbortController();
    const ended = this.#carryOut(order, deleted)
      .catch((error: unknown) => {
        // Its claim runs out, and then it is tried again.
        if (!this.#stopped) this.#options.onTrouble?.(error);
      })
      .finally(() => {
        this.#underWay.delete(order.id);
        this.#options.answers.settle(order.id);
        this.wake();
      });
    this.#underWay.set(order.id, { projectId: order.project_id, deleted, ended });
  }

  async #claim(): Promise<OrderRow | undefined> {
    const { context, onTrouble } = this.#options;
    const { clock, store } = context;
    for (;;) {
      const claim = {
        now: nowOf(clock),
        until: this.#until(),
        except: this.#projectsWithEnough(),
      };
      const found = await store.write(claimOrder, claim);
      if (!found?.forged) return found?.order;
      onTrouble?.(
        new ServerError("integrity", `verify orders ${found.forged}: the row is not authentic`),
      );
    }
  }

  /** The projects that have as many places as one may have: all but one, if there are several. */
  #projectsWithEnough(): readonly string[] {
    const most = Math.max(1, this.#options.generator.atOnce - 1);
    const places = Map.groupBy(this.#underWay.values(), ({ projectId }) => projectId);
    return [...places].filter(([, orders]) => orders.length >= most).map(([id]) => id);
  }

  #until(): string {
    return formatTimestamp((this.#options.context.clock.nowMs() + this.#claimMs) * 1000);
  }

  async #carryOut(order: OrderRow, deleted: AbortController): Promise<void> {
    const { context, onFinished } = this.#options;
    const renewal = setInterval(
      () => void this.#renew(order.id, deleted),
      Math.min(this.#claimMs / 3, this.#pollMs),
    );
    let pair: PairOfOrder | undefined;
    try {
      pair = await this.#generate(order, deleted.signal);
    } catch (error) {
      if (this.#stopped || deleted.signal.aborted) return;
      this.#options.onTrouble?.(error);
    } finally {
      clearInterval(renewal);
    }
    const finished = await storeSealed(context, order.project_id, async () =>
      context.store.write(finishOrder, {
        id: order.id,
        projectId: order.project_id,
        now: context.clock.timestamp(),
        ...(pair ? { made: await this.#make(order, pair) } : { error: notMade }),
      }),
    );
    for (const part of pair?.parts ?? []) part.bytes.fill(0);
    if (!("refused" in finished)) onFinished?.(pair ? "ACTIVE" : "ERROR");
  }

  /** Keeps the claim, and notices if the order was deleted by another process or with its project. */
  async #renew(id: string, deleted: AbortController): Promise<void> {
    const { store } = this.#options.context;
    try {
      const result = await store.write(renewClaim, { id, until: this.#until() });
      if ("refused" in result) deleted.abort();
    } catch {
      // The database is away: the next turn is soon enough.
    }
  }

  async #generate(order: OrderRow, signal: AbortSignal): Promise<PairOfOrder> {
    const meta = JSON.parse(order.meta) as OrderMeta;
    const recipe = pairRecipe(meta);
    const passphrase = await this.#passphrase(order);
    const request = { recipe, ...(passphrase !== undefined && { passphrase }) };
    const pair = await this.#options.generator.generate(request, signal);
    return { meta, recipe, parts: payloadOfPair(pair, passphrase) };
  }

  async #make(order: OrderRow, { meta, recipe, parts }: PairOfOrder): Promise<Made> {
    const { context } = this.#options;
    const owner = { projectId: order.project_id, userId: order.creator_id };
    const name = meta.name ?? null;
    const secrets = [];
    const members = [];
    for (const part of parts) {
      const id = context.newId();
      members.push({ secret_id: id, name: part.member });
      secrets.push(
        await makeSecret(context, owner, id, {
          name,
          secretType: part.secretType,
          algorithm: meta.algorithm,
          bitLength: meta.bit_length,
          mode: meta.mode ?? null,
          expiration: meta.expiration ?? null,
          payload: { bytes: part.bytes, contentType: "application/octet-stream" },
        }),
      );
    }
    const container = { type: recipe.containerType, name };
    const row = makeContainer(context, owner, context.newId(), container);
    return { secrets, container: { row, members } };
  }

  async #passphrase(order: OrderRow): Promise<string | undefined> {
    if (order.passphrase === null || order.passphrase_generation === null) return undefined;
    const { keys } = this.#options.context;
    const key = await keys.byGeneration(order.project_id, order.passphrase_generation);
    return open(
      key.sealing,
      passphraseContext(order.project_id, order.id),
      order.passphrase,
    ).toString();
  }
}

const notMade = {
  status: "500",
  reason: "Order processing failed: the key pair could not be made.",
};

interface PairOfOrder {
  readonly meta: OrderMeta;
  readonly recipe: KeyPairRecipe;
  readonly parts: readonly PairPart[];
}

/** What of a stored meta the runner needs; it was checked when the order was accepted. */
interface OrderMeta {
  readonly name?: string | null;
  readonly algorithm: string;
  readonly bit_length: number;
  readonly mode?: string;
  readonly expiration?: string | null;
}

function pairRecipe({ algorithm, bit_length: bitLength }: OrderMeta): KeyPairRecipe {
  const recipe = pairRecipeOf(algorithm, bitLength);
  if (recipe.type !== "pair") throw new Error("order: its meta is of no pair");
  return recipe;
}
