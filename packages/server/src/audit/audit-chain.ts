import { Mac } from "../crypto/mac.ts";

/**
 * One append-only chain: each entry's MAC covers the MAC before it, so an entry
 * cannot be changed, dropped from the middle, or slipped in without the key.
 * A dropped tail shows only to who noted the last MAC (`audit verify` prints it).
 */
export class AuditChain {
  readonly #key: Mac;
  #mac: Uint8Array;

  /** @param last MAC of the chain's last entry; empty for a new chain. */
  constructor(key: Uint8Array, last: Uint8Array) {
    this.#key = new Mac(key);
    this.#mac = last;
  }

  /** The last entry's MAC. */
  get head(): Uint8Array {
    return this.#mac;
  }

  /** Goes back to an earlier head, when a transaction was undone. */
  rewind(head: Uint8Array): void {
    this.#mac = head;
  }

  /** Adds a line; returns its MAC (32 bytes). */
  add(line: string): Uint8Array {
    this.#mac = this.#key.of(line, this.#mac);
    return this.#mac;
  }
}
