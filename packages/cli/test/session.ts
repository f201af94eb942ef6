import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import type { Open } from "../src/commands/command.ts";
import { run } from "../src/run.ts";
import type { Terminal } from "../src/terminal/terminal.ts";

/** What a command left on the terminal. */
export interface Transcript {
  readonly code: number;
  readonly out: string;
  readonly outBytes: Buffer;
  readonly error: string;
}

const ledgers = mkdtempSync(join(tmpdir(), "chatelaine-sessions-"));
process.once("exit", () => rmSync(ledgers, { recursive: true, force: true }));
let sessions = 0;

/** A terminal, and a key manager that lives as long as the session. */
export class Session {
  readonly keyManager = new MemoryKeyManager({ warn: () => {} });
  readonly caller: Caller = { type: "project", projectId: "a", userId: "alice" };
  /** By what clouds.yaml would call them. */
  readonly others: Readonly<Record<string, Caller>> = {
    bob: { type: "project", projectId: "b", userId: "bob" },
  };
  readonly #terminal: Partial<Terminal>;
  readonly #ledger = join(ledgers, `${sessions++}.sqlite`);

  constructor(terminal: Partial<Terminal> = {}) {
    this.#terminal = terminal;
  }

  /** Runs `chatelaine` with these arguments on the session's key manager. */
  run(...arguments_: readonly string[]): Promise<Transcript> {
    return this.#run(arguments_, (cloud) => {
      const caller = cloud === undefined ? this.caller : this.others[cloud];
      if (caller === undefined) throw new Error(`clouds.yaml has no ${cloud}`);
      return { keyManager: this.keyManager, caller };
    });
  }

  /** Runs it with the key manager that flags, environment and files name. */
  runConfigured(...arguments_: readonly string[]): Promise<Transcript> {
    return this.#run(arguments_, undefined);
  }

  async #run(arguments_: readonly string[], open: Open | undefined): Promise<Transcript> {
    const out: Buffer[] = [];
    let error = "";
    const terminal: Terminal = {
      out: (text) => out.push(Buffer.from(text as string)),
      error: (text) => {
        error += text;
      },
      columns: undefined,
      environment: {},
      workingDirectory: "/nonexistent",
      homeDirectory: "/nonexistent",
      temporaryDirectory: "/nonexistent",
      ...this.#terminal,
    };
    if (open !== undefined) {
      const ledger = { CHATELAINE_LEDGER: this.#ledger };
      Object.assign(terminal, { environment: { ...terminal.environment, ...ledger } });
    }
    const code = await run(arguments_, terminal, open);
    const outBytes = Buffer.concat(out);
    return { code, out: outBytes.toString(), outBytes, error };
  }
}
