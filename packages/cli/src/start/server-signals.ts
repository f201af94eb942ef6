import { isatty } from "node:tty";
import { ignoredSignals } from "@chatelaine/server/runtime";
import { stopRequested, stopSignals } from "../terminal/stop-requested.ts";

/**
 * What signals mean to a server: SIGHUP reloads, SIGTERM, SIGINT and SIGQUIT end it in order, a second one at once. To be
 * made before anything that takes time: a signal that comes earlier ends the process, which has accepted nothing yet.
 */
export class ServerSignals {
  /** Resolves when the server is asked to end. */
  readonly stopped: Promise<void>;
  readonly #ended = new AbortController();
  readonly #terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));
  #reload: (() => void) | undefined;
  #reloadWanted = false;

  constructor() {
    this.stopped = stopRequested(
      this.#ended.signal,
      stopSignals.filter((signal) => signal !== "SIGHUP"),
    );
    process.on("SIGHUP", this.#hangUp);
    for (const signal of ignoredSignals) process.on(signal, ignore);
  }

  /** Calls this at each SIGHUP, and now if there was one. */
  reloadWith(reload: () => void): void {
    this.#reload = reload;
    if (this.#reloadWanted) reload();
  }

  /** Gives signals their former meaning. */
  close(): void {
    this.#ended.abort();
    process.off("SIGHUP", this.#hangUp);
    for (const signal of ignoredSignals) process.off(signal, ignore);
  }

  readonly #hangUp = (): void => {
    // The signal also means that the terminal was closed; then no user can stop the server later.
    if (this.#terminals.length > 0 && !this.#terminals.some((one) => isatty(one)))
      this.#ended.abort();
    else if (this.#reload) this.#reload();
    else this.#reloadWanted = true;
  };
}

function ignore(): void {}
