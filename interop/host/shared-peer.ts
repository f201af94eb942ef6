import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatIdentity, identityOf, isAlive, readIdentity } from "./process-identity.ts";
import { waitFor } from "./wait-for.ts";

/** One user's hold on a peer. */
export interface Lease<T> {
  readonly value: T;
  /** Gives the peer back; the last one to do so stops it. A second call does nothing. */
  leave(): Promise<void>;
}

let leases = 0;

/**
 * Lets several programs use one set of background processes: the first starts it, the last one stops it.
 *
 * Each user holds a lease, a file that names its process; the lease of a dead process counts for nothing.
 */
export class SharedPeer {
  readonly #lock: string;
  readonly #leases: string;

  constructor(directory: string) {
    this.#lock = join(directory, "lock");
    this.#leases = join(directory, "leases");
    mkdirSync(this.#leases, { recursive: true });
  }

  /**
   * @param start starts what does not run yet, and leaves alone what does; called under the lock
   * @param stop stops everything; called under the lock, when the last user leaves
   */
  async enter<T>(start: () => Promise<T>, stop: () => Promise<void>): Promise<Lease<T>> {
    leases += 1;
    const lease = join(this.#leases, `${process.pid}-${leases}`);
    const value = await this.#locked(async () => {
      const self = identityOf(process.pid);
      if (self === undefined) throw new Error("use a peer: /proc is not mounted");
      writeFileSync(lease, formatIdentity(self));
      try {
        return await start();
      } catch (error) {
        rmSync(lease, { force: true });
        throw error;
      }
    });
    let left = false;
    return {
      value,
      leave: async () => {
        if (left) return;
        left = true;
        rmSync(lease, { force: true });
        await this.#stopIfUnused(stop);
      },
    };
  }

  /** A lease that belongs to no process: the peer stays up until {@link release}. */
  keep(): void {
    writeFileSync(join(this.#leases, "kept"), "");
  }

  /** Takes {@link keep} back, and stops the peer if nobody uses it. */
  async release(stop: () => Promise<void>): Promise<void> {
    rmSync(join(this.#leases, "kept"), { force: true });
    await this.#stopIfUnused(stop);
  }

  #stopIfUnused(stop: () => Promise<void>): Promise<void> {
    return this.#locked(async () => {
      if (this.#holders() === 0) await stop();
    });
  }

  #holders(): number {
    let living = 0;
    for (const name of readdirSync(this.#leases)) {
      const file = join(this.#leases, name);
      const holder = readIdentity(file);
      if (name === "kept" || (holder !== undefined && isAlive(holder))) living += 1;
      else rmSync(file, { force: true });
    }
    return living;
  }

  async #locked<T>(action: () => Promise<T>): Promise<T> {
    await waitFor(`lock ${this.#lock}`, 900, () => this.#tryLock());
    try {
      return await action();
    } finally {
      rmSync(this.#lock, { recursive: true, force: true });
    }
  }

  #tryLock(): true | undefined {
    const owner = join(this.#lock, "owner");
    try {
      mkdirSync(this.#lock);
      const self = identityOf(process.pid);
      if (self !== undefined) writeFileSync(owner, formatIdentity(self));
      return true;
    } catch {
      const holder = readIdentity(owner);
      if (holder !== undefined && !isAlive(holder)) {
        rmSync(this.#lock, { recursive: true, force: true });
      }
      return undefined;
    }
  }
}
