import { randomUUID } from "node:crypto";
import type { QueryConfig } from "pg";
import { AuditChain, type ChainPlace } from "../../audit/chain/audit-chain.ts";

/**
 * The audit chain of one connection at a time. Each connection has its own, because an
 * entry's MAC covers the one before it, and only what commits one after the
 * other can be chained without waiting for each other.
 */
export class ConnectionAudit {
  readonly #name = randomUUID();
  readonly #chain: AuditChain;
  #kept: ChainPlace;

  constructor(key: Uint8Array) {
    this.#chain = new AuditChain(key, this.#name);
    this.#kept = this.#chain.place;
  }

  /** The query that adds lines to the chain. Follow it with {@link keep} or {@link drop}. */
  add(lines: readonly string[]): QueryConfig {
    const first = this.#chain.place.sequence + 1;
    const macs = lines.map((line) => this.#chain.add(line));
    const sequences = lines.map((_, index) => first + index);
    return {
      name: "audit",
      text: `INSERT INTO audit (chain, sequence, line, mac)
             SELECT $1, s, l, m FROM unnest($2::bigint[], $3::text[], $4::bytea[]) AS added (s, l, m)`,
      values: [this.#name, sequences, lines, macs],
    };
  }

  /** What was added is committed. */
  keep(): void {
    this.#kept = this.#chain.place;
  }

  /** What was added was rolled back. */
  drop(): void {
    this.#chain.rewind(this.#kept);
  }
}
