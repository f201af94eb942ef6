import { randomUUID } from "node:crypto";
import type { QueryConfig } from "pg";
import { AuditChain } from "../../audit/audit-chain.ts";

/**
 * The audit chain of one connection. Each connection has its own, because an
 * entry's MAC covers the one before it, and only what commits one after the
 * other can be chained without waiting for each other.
 */
export class ConnectionAudit {
  readonly #name = randomUUID();
  readonly #chain: AuditChain;
  #sequence = 0;
  #kept: { readonly head: Uint8Array; readonly sequence: number };

  constructor(key: Uint8Array) {
    this.#chain = new AuditChain(key, new Uint8Array());
    this.#kept = { head: this.#chain.head, sequence: 0 };
  }

  /** The query that adds lines to the chain. Follow it with {@link keep} or {@link drop}. */
  add(lines: readonly string[]): QueryConfig {
    const macs = lines.map((line) => this.#chain.add(line));
    const sequences = lines.map(() => ++this.#sequence);
    return {
      name: "audit",
      text: `INSERT INTO audit (chain, sequence, line, mac)
             SELECT $1, s, l, m FROM unnest($2::bigint[], $3::text[], $4::bytea[]) AS added (s, l, m)`,
      values: [this.#name, sequences, lines, macs],
    };
  }

  /** What was added is committed. */
  keep(): void {
    this.#kept = { head: this.#chain.head, sequence: this.#sequence };
  }

  /** What was added was rolled back. */
  drop(): void {
    this.#chain.rewind(this.#kept.head);
    this.#sequence = this.#kept.sequence;
  }
}
