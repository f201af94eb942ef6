import { fsyncSync, readSync, writeSync } from "node:fs";
import { LuksError } from "../errors.ts";
import { type BlockDevice, ioError } from "./device.ts";

/**
 * A device that another thread of this process has opened, and keeps open. Its reads and writes are done when they
 * return: for worker threads, which have nothing else to do.
 */
export class FdDevice implements BlockDevice {
  readonly fd: number;
  readonly name: string;
  readonly size = Number.MAX_SAFE_INTEGER;

  /** @param name for messages, such as its path */
  constructor(fd: number, name: string) {
    this.fd = fd;
    this.name = name;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    let done = 0;
    while (done < into.length) {
      const bytes = this.#try("read", () =>
        readSync(this.fd, into, done, into.length - done, offset + done),
      );
      if (bytes === 0) throw new LuksError("too_small", `read ${this.name}: ends too early`);
      done += bytes;
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      done += this.#try("write", () =>
        writeSync(this.fd, bytes, done, bytes.length - done, offset + done),
      );
    }
  }

  async sync(): Promise<void> {
    this.#try("sync", () => fsyncSync(this.fd));
  }

  #try<T>(operation: string, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw ioError(operation, this.name, cause);
    }
  }
}
