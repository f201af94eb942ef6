import type { Logger } from "../observe/log.ts";

/** Something that was read at the start, and can be read again while requests are served. */
export interface ReloadablePart {
  /** As the log calls it. */
  readonly name: string;
  /** Reads it again and puts it to use. A rejection leaves the former one in use. */
  readonly reload: () => void | Promise<void>;
}

/** Reads again what changes while a server runs; what cannot be used is not put to use, and the log says so. */
export class Reloader {
  readonly #parts: readonly ReloadablePart[];
  readonly #log: Logger;
  #wanted = false;
  #running: Promise<void> | undefined;

  /** @param parts are reloaded in this order; the log should be the first, so that the others' lines are in the new file. */
  constructor(parts: readonly ReloadablePart[], log: Logger) {
    this.#parts = parts;
    this.#log = log;
  }

  /**
   * Resolves when everything was read that is there now. Never rejects. Calls that come while it reads share one more
   * round, because what they are about may have been read already.
   */
  reload(): Promise<void> {
    this.#wanted = true;
    this.#running ??= this.#rounds().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #rounds(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      const reloaded: string[] = [];
      for (const part of this.#parts) if (await this.#reload(part)) reloaded.push(part.name);
      this.#log.info({ reloaded: reloaded.join(", ") }, "reloaded");
    }
  }

  async #reload({ name, reload }: ReloadablePart): Promise<boolean> {
    try {
      await reload();
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.error(
        { part: name, error: reason },
        "reload failed; the previous configuration stays in use",
      );
      return false;
    }
  }
}
