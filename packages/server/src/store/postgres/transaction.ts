import type { PoolClient, QueryConfig } from "pg";
import type { Statement, StatementResult } from "../operation.ts";
import type { StatementTexts } from "./statement-text.ts";

/**
 * One transaction on one connection. Statements whose result is known beforehand
 * are sent without waiting, so that a typical write waits for the network twice.
 */
export class Transaction {
  readonly #client: PoolClient;
  readonly #texts: StatementTexts;
  readonly #unawaited: Promise<unknown>[] = [];
  #failure: { readonly error: unknown } | undefined;
  #committing = false;

  constructor(client: PoolClient, texts: StatementTexts) {
    this.#client = client;
    this.#texts = texts;
    // Said, because a stricter default of the database would count quotas in a snapshot from before their lock.
    this.#send(client.query("BEGIN ISOLATION LEVEL READ COMMITTED"));
  }

  /** True once a commit was asked for: whether it came to pass is then known only from its answer. */
  get committing(): boolean {
    return this.#committing;
  }

  async execute(statement: Statement): Promise<StatementResult> {
    const { changesOne, ...text } = this.#texts.of(statement.sql);
    const answer = this.#client.query({ ...text, values: [...statement.args] });
    if (changesOne) {
      this.#send(answer);
      return { rows: [], changes: 1 };
    }
    try {
      const { rows, rowCount, command } = await answer;
      return { rows, changes: command === "SELECT" ? 0 : (rowCount ?? 0) };
    } catch (error) {
      // After a failed statement all later ones fail, for no other reason: say the first.
      await this.#settle();
      throw this.#failure ? this.#failure.error : error;
    }
  }

  /** Sends a query whose result is not needed; the commit fails if it failed. */
  send(query: QueryConfig): void {
    this.#send(this.#client.query(query));
  }

  /** Resolves when the transaction is durable. */
  async commit(): Promise<void> {
    this.#committing = true;
    const commit = this.#client.query("COMMIT");
    this.#send(commit);
    await this.#settle();
    if (this.#failure) throw this.#failure.error;
    const { command } = await commit;
    if (command !== "COMMIT") throw new Error(`store: a commit was answered with ${command}`);
  }

  async rollback(): Promise<void> {
    await this.#settle();
    await this.#client.query("ROLLBACK");
  }

  #send(answer: Promise<unknown>): void {
    this.#unawaited.push(
      answer.catch((error: unknown) => {
        this.#failure ??= { error };
      }),
    );
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#unawaited.splice(0));
  }
}
