import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Report, Volley } from "./load-generator.ts";

/** What a volley came to. */
export type Outcome = Extract<Report, { readonly type: "done" }>;

/** Our end of the load generator's process. One volley at a time. */
export class LoadGenerator {
  readonly #process: ChildProcess;

  constructor() {
    this.#process = fork(fileURLToPath(new URL("load-generator.ts", import.meta.url)));
  }

  /** @throws Error at the first answer that has not the expected status */
  async fire(volley: Volley): Promise<Outcome> {
    this.#process.send(volley);
    const [report] = (await once(this.#process, "message")) as [Report];
    if (report.type === "failed") throw new Error(report.message);
    return report;
  }

  stop(): void {
    this.#process.kill();
  }
}
