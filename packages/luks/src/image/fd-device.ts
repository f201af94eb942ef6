import { fsync, read, write } from "node:fs";
import { promisify } from "node:util";
import { type BlockDevice, ioError } from "../device.ts";
import { LuksError } from "../errors.ts";

const readAt = promisify(read);
const writeAt = promisify(write);

/** A device that another thread of this process has opened, and keeps open. */
export class FdDevice implements BlockDevice {
  readonly fd: number;
  readonly name: string;
  readonly size = Number.MAX_SAFE_INTEGER;

  constructor(fd: number) {
    this.fd = fd;
    this.name = `file descriptor ${fd}`;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await readAt(this.fd, into, done, into.length - done, offset + done);
      if (bytesRead === 0) throw new LuksError("too_small", `read ${this.name}: ends too early`);
      done += bytesRead;
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await writeAt(
        this.fd,
        bytes,
        done,
        bytes.length - done,
        offset + done,
      );
      done += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    await promisify(fsync)(this.fd).catch((cause: unknown) => {
      throw ioError("sync", this.name, cause);
    });
  }
}
