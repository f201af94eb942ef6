import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { ioError } from "../device/device.ts";
import { syncFolder } from "../device/sync-folder.ts";
import { LuksError } from "../errors.ts";
import { journalBeside, journalRecordName as stateName } from "../in-use/journal-place.ts";
import { isJsonObject } from "../luks2/bounded-json.ts";

/**
 * What is known of an interrupted operation on an image. It lives in a folder, `IMAGE.chatelaine` beside the image
 * unless another was asked for:
 *
 * - `state`: this record, replaced atomically;
 * - `old-header`, `new-header`: header areas, in the form of a header backup. They hold key slots, no bare key;
 * - `batch`: the ciphertext that is being written over its own source;
 * - `start`: the ciphertext of the first bytes of data, which are moved last.
 */
export interface ImageState {
  readonly operation: "encrypt" | "decrypt" | "reencrypt" | "convert" | "copy";
  /** `data` is being moved; then the `header` is put in its place. `done` is said only where the journal is kept. */
  readonly phase: "data" | "header" | "done";
  /**
   * Bytes of data in all, and done; encryption in place counts from the end. An image that is encrypted grows by the
   * header; one of fewer data than it has bytes, a block device, does not.
   */
  readonly totalBytes: number;
  readonly doneBytes: number;
  /** Written before the first change of the image, which a cut may leave without any data done. Absent: only begun. */
  readonly isStarted?: true;
  /** Of the image when the operation began, in bytes. */
  readonly imageBytes: number;
  /** SHA-256 of the first `bytes` of `batch`, which is on its way to the image at `doneBytes`. */
  readonly batch?: { readonly bytes: number; readonly sha256: string };
  /**
   * Of encryption and decryption in place: what the image begins with, and SHA-256 of `start`, which has `startBytes`.
   * Absent: older versions put no mark on an image.
   */
  readonly mark?: { readonly id: string; readonly startBytes: number; readonly sha256: string };
  /** For `copy`: the file that is read. */
  readonly source?: string;
  /** Of that file; absent for a block device, and in copies that an older version began. */
  readonly sourceVersion?: string;
  /** For `copy`: what is read, what is written. */
  readonly from?: "raw" | "luks";
  readonly to?: "raw" | "luks";
  readonly keepHoles?: boolean;
}

/** The record first: without it there is nothing to resume. */
const ownNames: readonly string[] = [
  stateName,
  `${stateName}.new`,
  "old-header",
  "new-header",
  "batch",
  "start",
];

/** The folder of one image's interrupted operation. */
export class ImageJournal {
  readonly folder: string;
  readonly #image: string;
  readonly #isBeside: boolean;

  /** @param folder default: beside the image */
  constructor(image: string, folder?: string) {
    this.folder = folder ?? journalBeside(image);
    this.#image = image;
    this.#isBeside = folder === undefined;
  }

  /**
   * @throws `busy` if the folder is there: another operation must be resumed first, or it is no journal; `invalid_argument` if it would
   *   lie beside a block device, in a folder that a restart empties
   */
  async begin(operation: string): Promise<void> {
    if (this.#isBeside && (await stat(this.#image)).isBlockDevice()) {
      throw new LuksError(
        "invalid_argument",
        `${operation} ${this.#image}: a block device needs a journal in a folder that outlives a restart`,
      );
    }
    await mkdir(this.folder, { mode: 0o700 }).catch(async (cause: unknown) => {
      if ((cause as { code?: unknown }).code !== "EEXIST") {
        throw ioError(operation, this.folder, cause);
      }
      const names = await this.#names().catch((): string[] => []);
      const reason = names.includes(stateName)
        ? "an operation waits to be resumed: resume it first"
        : "it already exists: name a new folder, or remove it if no operation is running";
      throw new LuksError("busy", `${operation} ${this.folder}: ${reason}`);
    });
    await syncFolder(dirname(resolve(this.folder)));
  }

  /**
   * As {@link begin}, then writes what an operation needs to be resumed. If that fails, nothing waits to be resumed, and the
   * journal goes.
   */
  async beginWith(operation: string, write: () => Promise<void>): Promise<void> {
    await this.begin(operation);
    try {
      await write();
    } catch (error) {
      // What kept it from being written may keep it from being removed, and is what counts.
      await this.end().catch(() => undefined);
      throw error;
    }
  }

  /** To be called right before the first change of the image: from then on the operation cannot be forgotten. */
  async start(begun: ImageState): Promise<ImageState> {
    if (begun.isStarted) return begun;
    const state: ImageState = { ...begun, isStarted: true };
    await this.write(state);
    return state;
  }

  path(name: "old-header" | "new-header" | "batch" | "start"): string {
    return join(this.folder, name);
  }

  /** Durable when it resolves. @throws `io` */
  async save(name: "start", bytes: Uint8Array): Promise<void> {
    try {
      // Others may be able to write the folder: nothing is written through a link.
      await rm(this.path(name), { force: true });
      await writeFile(this.path(name), bytes, { mode: 0o600, flush: true, flag: "wx" });
      await syncFolder(this.folder);
    } catch (cause) {
      throw ioError("write journal", this.folder, cause);
    }
  }

  /** Durable when it resolves, whole or not at all. @throws `io` */
  async write(state: ImageState): Promise<void> {
    await this.#write(state).catch((cause: unknown) => {
      throw ioError("write journal", this.folder, cause);
    });
  }

  async #write(state: ImageState): Promise<void> {
    const text = JSON.stringify(state);
    const record = { state, sha256: sha256(Buffer.from(text)) };
    const fresh = join(this.folder, `${stateName}.new`);
    // Others may be able to write the folder: nothing is written through a link.
    await rm(fresh, { force: true });
    await writeFile(fresh, JSON.stringify(record), { mode: 0o600, flush: true, flag: "wx" });
    await rename(fresh, join(this.folder, stateName));
    await syncFolder(this.folder);
  }

  /**
   * @returns undefined if there is no folder, or one in which nothing had been begun
   * @throws `corrupt_header` if the record is damaged; `io` if it cannot be read: that is not taken for none
   */
  async read(): Promise<ImageState | undefined> {
    if (!(await this.#names()).includes(stateName)) return undefined;
    const text = await readFile(join(this.folder, stateName), "utf8").catch((cause: unknown) => {
      throw ioError("read journal", this.folder, cause);
    });
    const state = stateOf(text);
    if (state !== undefined) return state;
    throw new LuksError(
      "corrupt_header",
      `resume ${this.folder}: the journal is damaged, or is no journal`,
    );
  }

  /**
   * Forgets the operation: it is finished, or had not begun. What an operation does not write stays, and so does a folder
   * that has such things and no record: it is no journal, and was named by mistake.
   *
   * @throws `io`
   */
  async end(): Promise<void> {
    const names = await this.#names();
    const isStrange = names.some((name) => !ownNames.includes(name));
    if (isStrange && !names.includes(stateName)) return;
    try {
      for (const name of ownNames) await rm(join(this.folder, name), { force: true });
    } catch (cause) {
      throw ioError("remove journal", this.folder, cause);
    }
    if (!isStrange) await rmdir(this.folder).catch(() => {});
  }

  /** Of all that is in the folder; empty without one. @throws `io` */
  async #names(): Promise<readonly string[]> {
    return readdir(this.folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return [];
      throw ioError("read journal", this.folder, cause);
    });
  }
}

/** @returns undefined for a damaged record, and for any other text */
function stateOf(text: string): ImageState | undefined {
  try {
    const record: unknown = JSON.parse(text);
    if (!isJsonObject(record) || !isJsonObject(record["state"])) return undefined;
    const state = record["state"] as unknown as ImageState;
    return record["sha256"] === sha256(Buffer.from(JSON.stringify(state))) ? state : undefined;
  } catch {
    return undefined;
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
