import { createHmac, randomBytes } from "node:crypto";
import { networkOf } from "../../model/client-address.ts";
import { didYouMean } from "../../model/did-you-mean.ts";
import { DelayedAnswers } from "./delayed-answers.ts";
import { FailureCounts } from "./failure-counts.ts";

/** How many failed logins are too many. */
export interface LoginLimiterOptions {
  /** Failures until one account is closed to one address. Default: 10. */
  readonly failuresPerNameAndAddress?: number;
  /** Failures until refusals to an address are delayed, whatever the account. Default: 20. */
  readonly failuresPerAddress?: number;
  /** How long failures count. Default: 300. */
  readonly windowSeconds?: number;
  /** How long a refusal is delayed. Default: 2,000. */
  readonly delayMs?: number;
  /** How many refusals wait at the same time; one more, and the one that came first is sent. Default: 100. */
  readonly maxDelayed?: number;
  /** Counts that are kept, of pairs and of addresses each. Default: 20,000. */
  readonly maxCounts?: number;
  /** Default: the system's clock. */
  readonly nowMs?: () => number;
}

const known = [
  "failuresPerNameAndAddress",
  "failuresPerAddress",
  "windowSeconds",
  "delayMs",
  "maxDelayed",
  "maxCounts",
  "nowMs",
] as const satisfies readonly (keyof LoginLimiterOptions)[];

/** What a caller claims to be, of any length: what failures are counted under. */
export type ClaimedAccount = readonly string[];

/**
 * Counts failed logins, and says when a caller must wait.
 *
 * Ten failures close one account to one address, and nothing else: whatever
 * others do, or the same address does with other accounts, a right password from
 * elsewhere is never turned away. What an address fails at altogether only delays
 * the refusals that it gets. It counts unknown accounts as well, so that
 * it does not tell which exist.
 *
 * No claimed name is kept, only a digest under a key of this process: people type
 * passwords into the wrong field. An address is an IPv4 address or the /64 of an
 * IPv6 one. Counts are this process's own: several nodes allow that many times more.
 */
export class LoginLimiter {
  readonly #key = randomBytes(32);
  readonly #pairs: FailureCounts;
  readonly #addresses: FailureCounts;
  readonly #delayed: DelayedAnswers;
  readonly #maxPerPair: number;
  readonly #maxPerAddress: number;

  /** @throws TypeError for an option that is misspelled or out of range. */
  constructor(options: LoginLimiterOptions = {}) {
    validate(options);
    this.#maxPerPair = options.failuresPerNameAndAddress ?? 10;
    this.#maxPerAddress = options.failuresPerAddress ?? 20;
    const counts = {
      maxEntries: options.maxCounts ?? 20_000,
      windowMs: (options.windowSeconds ?? 300) * 1000,
      nowMs: options.nowMs ?? Date.now,
    };
    this.#pairs = new FailureCounts(counts);
    this.#addresses = new FailureCounts(counts);
    const { delayMs = 2_000, maxDelayed = 100 } = options;
    this.#delayed = new DelayedAnswers({ delayMs, maxWaiting: maxDelayed });
  }

  /** In how many seconds `account` may be tried again from `address`; 0 for now. */
  waitSeconds(account: ClaimedAccount, address: string): number {
    const pair = this.#digest(account, address);
    if (this.#pairs.count(pair) < this.#maxPerPair) return 0;
    return Math.max(1, Math.ceil(this.#pairs.leftMs(pair) / 1000));
  }

  /**
   * Counts a failure in advance, so that many tries at the same time do not all
   * slip through. Say afterwards how it went: a right password forgets the typing
   * errors before it, and what could not be decided counts for nothing.
   *
   * @param account undefined where there is none to guess at, as with a token
   */
  begin(
    account: ClaimedAccount | undefined,
    address: string,
  ): (outcome: "failed" | "succeeded" | "undecided") => void {
    const pair = account && this.#digest(account, address);
    const counted = pair === undefined ? undefined : this.#pairs.add(pair);
    const ofAddress = this.#addresses.add(this.#digest([], address));
    return (outcome) => {
      if (outcome === "failed") return;
      counted?.takeBack();
      ofAddress.takeBack();
      if (outcome === "succeeded" && pair !== undefined) this.#pairs.forget(pair);
    };
  }

  /** Resolves when a refusal may be sent to `address`: at once, unless it had very many. */
  async delayRefusal(address: string): Promise<void> {
    if (this.#addresses.count(this.#digest([], address)) > this.#maxPerAddress)
      await this.#delayed.wait();
  }

  /** What is held: each number has a bound. */
  get held(): { readonly pairs: number; readonly addresses: number; readonly delayed: number } {
    return {
      pairs: this.#pairs.size,
      addresses: this.#addresses.size,
      delayed: this.#delayed.waiting,
    };
  }

  /** Sends what is delayed. */
  close(): void {
    this.#delayed.release();
  }

  /** 43 characters, however long the claim is. */
  #digest(account: ClaimedAccount, address: string): string {
    const text = JSON.stringify([networkOf(address), ...account]);
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}

function validate(options: LoginLimiterOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!known.some((option) => option === name))
      throw new TypeError(`logins: unknown option "${name}"${didYouMean(name, known)}`);
    if (name !== "nowMs" && value !== undefined && !(Number.isInteger(value) && Number(value) >= 1))
      throw new TypeError(`logins: ${name} must be a whole number from 1 on`);
  }
}
