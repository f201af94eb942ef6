import { Mac } from "../../crypto/mac.ts";
import { type ChainPlace, chainStart } from "./audit-chain.ts";

/**
 * A chain as versions before migration 0004 wrote it: the MAC covers neither the chain's name nor the entry's
 * number. Only for entries up to the point of upgrade, which `audit_upgrades` holds.
 */
export class LegacyChain {
  readonly #key: Mac;
  #sequence: number;
  #mac: Uint8Array;

  constructor(key: Uint8Array, last: ChainPlace = chainStart) {
    this.#key = new Mac(key);
    this.#sequence = last.sequence;
    this.#mac = last.mac;
  }

  /** The last entry. */
  get place(): ChainPlace {
    return { sequence: this.#sequence, mac: this.#mac };
  }

  /** Goes back to an earlier place. */
  rewind(place: ChainPlace): void {
    this.#sequence = place.sequence;
    this.#mac = place.mac;
  }

  /** Adds a line; returns its MAC (32 bytes). */
  add(line: string): Uint8Array {
    this.#mac = this.#key.of(line, this.#mac);
    this.#sequence += 1;
    return this.#mac;
  }
}
