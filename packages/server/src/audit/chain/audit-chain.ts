import { hkdfSync } from "node:crypto";
import { Mac } from "../../crypto/mac.ts";

/** A place in a chain: the number of an entry and its MAC. */
export interface ChainPlace {
  readonly sequence: number;
  readonly mac: Uint8Array;
}

/** Before the first entry of a chain. */
export const chainStart: ChainPlace = { sequence: 0, mac: new Uint8Array() };

const macBytes = 32;

/**
 * One append-only chain. Each entry's MAC covers the MAC before it and the entry's
 * number, under a key that belongs to this chain's name and this format. So an entry
 * cannot be changed, moved, dropped from the middle or added without the key, and a
 * chain under another name is not authentic. A dropped tail shows only to those who
 * noted the last MAC (`audit verify` prints it).
 */
export class AuditChain {
  readonly #key: Mac;
  /** The MAC before, then the entry's number in eight bytes. */
  readonly #prefix = Buffer.alloc(macBytes + 8);
  #sequence: number;
  #mac: Uint8Array;

  /**
   * @param key of the whole record, 32 bytes
   * @param last the chain's last entry; {@link chainStart} for a new chain
   */
  constructor(key: Uint8Array, chain: string, last: ChainPlace = chainStart) {
    const own = Buffer.from(hkdfSync("sha256", key, "", `chatelaine audit chain 2: ${chain}`, 32));
    this.#key = new Mac(own);
    own.fill(0);
    this.#sequence = last.sequence;
    this.#mac = last.mac;
  }

  /** The last entry. */
  get place(): ChainPlace {
    return { sequence: this.#sequence, mac: this.#mac };
  }

  /** Goes back to an earlier place, when a transaction was undone. */
  rewind(place: ChainPlace): void {
    this.#sequence = place.sequence;
    this.#mac = place.mac;
  }

  /** Adds a line; returns its MAC (32 bytes). Its number is the one after {@link place}'s. */
  add(line: string): Uint8Array {
    const sequence = this.#sequence + 1;
    if (this.#mac.length === macBytes) this.#prefix.set(this.#mac);
    else this.#prefix.fill(0, 0, macBytes);
    this.#prefix.writeUIntBE(sequence, macBytes + 2, 6);
    this.#mac = this.#key.of(line, this.#prefix);
    this.#sequence = sequence;
    return this.#mac;
  }
}
