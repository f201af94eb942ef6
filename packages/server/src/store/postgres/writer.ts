import { randomUUID } from "node:crypto";
import pg from "pg";
import { AuditChain } from "../../audit/audit-chain.ts";
import { type AuditEntry, auditLine } from "../../audit/audit-entry.ts";
import { driveAsync } from "../drive.ts";
import type { Operation, Statement, StatementResult } from "../operation.ts";
import { isRefused, StoreError } from "../store.ts";
import { toPostgres } from "./dialect.ts";
import { isRepeatable, storeError } from "./postgres-error.ts";

/** What one caller wants done. */
export interface Unit {
  readonly operation?: Operation<never, unknown>;
  readonly parameters?: unknown;
  readonly audit?: AuditEntry;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown };

const maxAttempts = 5;

/** One connection that writes, and the audit chain of what it wrote: on a connection the order of commits is certain. */
export class PostgresWriter {
  readonly #config: pg.ClientConfig;
  #client: pg.Client | undefined;
  #auditKey: Uint8Array | undefined;
  #chain: AuditChain | undefined;
  #chainName = "";
  #sequence = 0;

  constructor(config: pg.ClientConfig) {
    this.#config = config;
  }

  startAudit(key: Uint8Array): void {
    this.#auditKey = key;
    this.#newChain();
  }

  /** Commits units together; each resolves or rejects by itself. Never rejects. */
  async commit(units: readonly Unit[]): Promise<void> {
    let outcomes: readonly Outcome[];
    try {
      outcomes = await this.#commitRepeated(units);
    } catch (error) {
      const told = storeError(error);
      outcomes = units.map(() => ({ ok: false, error: told }));
    }
    for (const [index, unit] of units.entries()) {
      const outcome = outcomes[index];
      if (outcome?.ok) unit.resolve(outcome.value);
      else unit.reject(outcome?.error);
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  async #commitRepeated(units: readonly Unit[]): Promise<readonly Outcome[]> {
    for (let attempt = 1; ; attempt++) {
      const head = this.#chain?.head;
      const sequence = this.#sequence;
      const client = await this.#connected();
      try {
        await client.query("BEGIN");
        const outcomes: Outcome[] = [];
        for (const unit of units) outcomes.push(await runUnit(client, unit));
        await this.#record(client, units, outcomes);
        await client.query("COMMIT");
        return outcomes;
      } catch (error) {
        if (storeError(error) instanceof StoreError && !isRepeatable(error)) {
          // Whether the commit arrived is unknown, so this chain ends here.
          await this.#drop(client);
          throw error;
        }
        if (head) this.#chain?.rewind(head);
        this.#sequence = sequence;
        await client.query("ROLLBACK");
        if (!isRepeatable(error) || attempt === maxAttempts) throw error;
      }
    }
  }

  /** Writes the audit entries of what did not fail, in one statement. */
  async #record(
    client: pg.Client,
    units: readonly Unit[],
    outcomes: readonly Outcome[],
  ): Promise<void> {
    const lines: string[] = [];
    const macs: Buffer[] = [];
    const sequences: number[] = [];
    for (const [index, { audit }] of units.entries()) {
      const outcome = outcomes[index];
      if (!audit || !outcome?.ok) continue;
      if (!this.#chain) throw new Error("audit record has no key yet");
      const { value } = outcome;
      const line = auditLine(audit, isRefused(value) ? value.refused : audit.outcome);
      lines.push(line);
      macs.push(Buffer.from(this.#chain.add(line)));
      sequences.push(++this.#sequence);
    }
    if (lines.length === 0) return;
    await client.query({
      name: "record",
      text: `INSERT INTO audit (chain, sequence, line, mac)
        SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::bytea[])`,
      values: [this.#chainName, sequences, lines, macs],
    });
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client) return this.#client;
    const client = new pg.Client(this.#config);
    client.on("error", () => {
      void this.#drop(client);
    });
    await client.connect();
    await client.query("SET synchronous_commit = on");
    this.#client = client;
    return client;
  }

  async #drop(client: pg.Client): Promise<void> {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#newChain();
    await client.end().catch(() => undefined);
  }

  #newChain(): void {
    if (!this.#auditKey) return;
    this.#chain = new AuditChain(this.#auditKey, new Uint8Array());
    this.#chainName = randomUUID();
    this.#sequence = 0;
  }
}

/** @throws only what spoils the whole transaction: a database that is away, or a conflict to be repeated */
async function runUnit(client: pg.Client, unit: Unit): Promise<Outcome> {
  const { operation } = unit;
  if (!operation) return { ok: true, value: undefined };
  await client.query("SAVEPOINT unit");
  try {
    const steps = operation.steps(unit.parameters as never);
    const value = await driveAsync(steps, (statement) => execute(client, statement));
    if (isRefused(value)) await client.query("ROLLBACK TO unit");
    return { ok: true, value };
  } catch (error) {
    if (storeError(error) instanceof StoreError) throw error;
    await client.query("ROLLBACK TO unit");
    return { ok: false, error };
  }
}

/** What executes statements: a client, or a pool of them. */
export interface Queryable {
  query(query: pg.QueryConfig): Promise<pg.QueryResult>;
}

/** Executes one statement. */
export async function execute(on: Queryable, statement: Statement): Promise<StatementResult> {
  const result = await on.query({
    ...toPostgres(statement.sql),
    values: statement.args.map((value) =>
      value instanceof Uint8Array && !Buffer.isBuffer(value) ? Buffer.from(value) : value,
    ),
  });
  return { rows: result.rows as readonly unknown[], changes: result.rowCount ?? 0 };
}
