import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { IdentityError } from "../identity-error.ts";
import { FairTurns } from "./fair-turns.ts";

const scryptAsync = promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt);

/** Of N: about 100 ms and 32 MiB a hash. RFC 7914 section 2. */
const costLog2 = 15;
const saltBytes = 16;
const keyBytes = 32;

/** In UTF-8 bytes. */
export const maxPasswordBytes = 1_024;

/** What a password's hash costs. */
export interface PasswordHasherOptions {
  /** Hashes computed at the same time, 32 MiB each, on libuv's four threads. Default: 2. */
  readonly concurrency?: number;
  /** How many may wait for their turn; one of the fullest lane is then turned away. Default: 64. */
  readonly maxWaiting?: number;
  /** Makes hashes that are quick to guess, for tests: 2^this is scrypt's N. Default: 15. */
  readonly insecureCostLog2?: number;
}

/**
 * Turns passwords into hashes (`$scrypt$ln=15,r=8,p=1$salt$key`) and checks them,
 * always at full cost, and only a few at a time: a flood of logins must not take
 * the processor from those who have a token already. Lanes (callers' networks)
 * take turns, so that a flood from one does not keep out the others.
 */
export class PasswordHasher {
  readonly #turns: FairTurns;
  readonly #costLog2: number;
  #decoy: Promise<string> | undefined;

  constructor({
    concurrency = 2,
    maxWaiting = 64,
    insecureCostLog2 = costLog2,
  }: PasswordHasherOptions = {}) {
    this.#turns = new FairTurns({ concurrency, maxWaiting });
    this.#costLog2 = insecureCostLog2;
  }

  /** @throws IdentityError `unavailable` if too many wait; RangeError for a password that is empty or too long. */
  async hash(password: string, lane = ""): Promise<string> {
    if (password === "" || Buffer.byteLength(password) > maxPasswordBytes) {
      throw new RangeError(`password: must have 1 to ${maxPasswordBytes} bytes`);
    }
    const salt = randomBytes(saltBytes);
    const key = await this.#derive(password, salt, this.#costLog2, lane);
    return `$scrypt$ln=${this.#costLog2},r=8,p=1$${salt.toString("base64url")}$${key.toString("base64url")}`;
  }

  /**
   * True if `hash` was made of `password`. Without a hash (unknown user)
   * it does the same work, and says false.
   *
   * @throws IdentityError `unavailable` if too many wait.
   */
  async verify(password: string, hash: string | undefined, lane = ""): Promise<boolean> {
    // Cut, not refused: a refusal would be quicker than a wrong password.
    const tried = Buffer.byteLength(password) > maxPasswordBytes ? "" : password;
    this.#decoy ??= this.hash(randomBytes(24).toString("base64url")).catch((error: unknown) => {
      this.#decoy = undefined;
      throw error;
    });
    // Waited for in either case: the very first login must not take longer for an unknown name.
    const decoy = await this.#decoy;
    const parsed = parse(hash ?? decoy);
    const key = await this.#derive(tried, parsed.salt, parsed.costLog2, lane);
    return timingSafeEqual(key, parsed.key) && hash !== undefined && tried !== "";
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#turns.waiting;
  }

  async #derive(password: string, salt: Uint8Array, log2: number, lane: string): Promise<Buffer> {
    if (!(await this.#turns.take(lane)))
      throw new IdentityError("unavailable", "login: too many at the same time");
    try {
      const cost = { N: 2 ** log2, r: 8, p: 1, maxmem: 2 ** (log2 + 11) };
      return await scryptAsync(password.normalize("NFC"), salt, keyBytes, cost);
    } finally {
      this.#turns.done();
    }
  }
}

function parse(hash: string): {
  readonly costLog2: number;
  readonly salt: Buffer;
  readonly key: Buffer;
} {
  const [, log2, salt, key] =
    /^\$scrypt\$ln=(\d\d?),r=8,p=1\$([\w-]{22})\$([\w-]{43})$/.exec(hash) ?? [];
  if (log2 === undefined || salt === undefined || key === undefined || Number(log2) > 20) {
    throw new Error("password hash: not one of ours");
  }
  return {
    costLog2: Number(log2),
    salt: Buffer.from(salt, "base64url"),
    key: Buffer.from(key, "base64url"),
  };
}
