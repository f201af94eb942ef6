import type { FileHandle } from "node:fs/promises";
import { busyError } from "./busy-error.ts";
import { loopsOf, useOf } from "./disk-use.ts";
import { lockedError } from "./header-lock.ts";
import { holdFile } from "./hold-file.ts";
import { type DiskIdentity, identityOf } from "./identity.ts";

/** Keeps an operation and everybody else apart, on a disk that the operation has open to change all of it. */
export class DeviceGuard {
  readonly #operation: string;
  readonly #subject: string;
  readonly #handle: FileHandle;
  readonly #identity: DiskIdentity;
  #look: Promise<void> | undefined;

  private constructor(
    operation: string,
    subject: string,
    handle: FileHandle,
    identity: DiskIdentity,
  ) {
    this.#operation = operation;
    this.#subject = subject;
    this.#handle = handle;
    this.#identity = identity;
  }

  /** @returns undefined for what is neither a file nor a block device */
  static async of(
    operation: string,
    subject: string,
    handle: FileHandle,
  ): Promise<DeviceGuard | undefined> {
    const identity = identityOf(await handle.stat({ bigint: true }));
    return identity && new DeviceGuard(operation, subject, handle, identity);
  }

  /**
   * Takes the lock of a file (the exclusive open of a block device is one), and looks who uses the disk.
   *
   * @throws `busy`
   */
  async claim(): Promise<void> {
    const hold = this.#identity.type === "file" ? await holdFile(this.#handle.fd) : "held";
    await this.requireUnused();
    if (hold === "taken") throw lockedError(this.#operation, this.#subject);
  }

  /** @throws `busy` */
  async requireUnused(): Promise<void> {
    const { users } = await useOf(this.#identity, this.#handle);
    if (users.length > 0) throw busyError(this.#operation, this.#subject, users);
  }

  /** The first write waits for a look right before it, and the others for nothing. @throws `busy` */
  beforeWriting(): Promise<void> {
    this.#look ??= this.requireUnused();
    return this.#look;
  }

  /** For long work: a loop device can be attached meanwhile in spite of every lock. @throws `busy` */
  async requireNotShown(): Promise<void> {
    const users = await loopsOf(this.#identity);
    if (users.length > 0) throw busyError(this.#operation, this.#subject, users, "resume the work");
  }
}
