import { SecretBytes } from "@chatelaine/keys/interface";
import { type RootKeyRing, rootKey, rootKeyBytes, rootKeyRing } from "./ring.ts";
import { RootKeyError } from "./root-key-error.ts";
import type { RootKeySlotKind, SealedRootKey } from "./slot.ts";
import { fileSlotKind, keepKeys, readKeyFile } from "./slots/file.ts";
import { valueSlotKind } from "./slots/value.ts";

const never = new AbortController().signal;

/** The slots of a root key that is in a file: reads, adds and removes them. */
export class RootKeyFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Opens all keys of the file.
   *
   * @returns undefined if the file does not exist
   * @throws RootKeyError
   */
  async open(signal: AbortSignal = never): Promise<RootKeyRing | undefined> {
    const content = readKeyFile(this.path);
    if (content === undefined) return undefined;
    const keys = content.sealed.map((sealed) =>
      openKey(fileSlotKind, sealed, Number(sealed.id), signal),
    );
    return rootKeyRing(await Promise.all(keys), content.rowsTagged);
  }

  /** Creates the file with the first key. @throws EEXIST if there is a file */
  create(signal: AbortSignal = never): Promise<RootKeyRing> {
    return this.#add(1, signal);
  }

  /** Adds a fresh key with the next number, which is the current one from now on; replaces the file in one step. */
  async rotate(signal: AbortSignal = never): Promise<RootKeyRing> {
    const { current } = await this.#existing(signal);
    return this.#add(current.id + 1, signal);
  }

  /** Removes every key but the current one, once nothing is wrapped by the others. */
  async keepCurrent(signal: AbortSignal = never): Promise<RootKeyRing> {
    const { current } = await this.#existing(signal);
    keepKeys(this.path, (id) => id === current.id);
    return this.#existing(signal);
  }

  /**
   * Records that rows were tagged under its keys: a writer of the database cannot undo that. From then on no start tags rows
   * by itself. An older version reads such a file as before.
   */
  markRowsTagged(): void {
    keepKeys(this.path, () => true);
  }

  async #add(id: number, signal: AbortSignal): Promise<RootKeyRing> {
    const key = SecretBytes.random(rootKeyBytes);
    await fileSlotKind.seal({ path: this.path, id: String(id) }, key, signal);
    return this.#existing(signal);
  }

  async #existing(signal: AbortSignal): Promise<RootKeyRing> {
    const ring = await this.open(signal);
    if (ring !== undefined) return ring;
    throw new RootKeyError("absent", `root key file ${this.path}: it does not exist`);
  }
}

/** The ring of one key that is a setting. @throws RootKeyError */
export async function openRootKeyValue(
  value: SecretBytes,
  signal: AbortSignal = never,
): Promise<RootKeyRing> {
  const slot = valueSlotKind(value);
  return rootKeyRing([await openKey(slot, { kind: slot.kind }, 1, signal)]);
}

async function openKey(
  kind: RootKeySlotKind,
  sealed: SealedRootKey,
  id: number,
  signal: AbortSignal,
) {
  return (await kind.open(sealed, signal)).use((bytes) => rootKey(id, bytes));
}
