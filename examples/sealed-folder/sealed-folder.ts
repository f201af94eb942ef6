import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import {
  KeyManagerError,
  type ObjectId,
  objectId,
  SecretBytes,
  type StoredObject,
} from "@chatelaine/keys";

/** What a file holds. */
export interface Sealed {
  readonly project: string;
  readonly object: StoredObject;
}

const [ivBytes, tagBytes] = [12, 16];

/** A folder of files, each sealed with AES-256-GCM under one root key and bound to its own name. */
export class SealedFolder {
  readonly #path: string;
  readonly #rootKey: SecretBytes;

  constructor(path: string, rootKey: SecretBytes) {
    if (rootKey.length !== 32) {
      throw new KeyManagerError("invalid_argument", "sealed folder: the root key must be 32 bytes");
    }
    this.#path = path;
    this.#rootKey = rootKey;
    fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  /** Returns once it would survive a loss of power: a file is there as a whole, or not at all. */
  write(sealed: Sealed): void {
    const { id, value } = sealed.object;
    const text = value.use((bytes) =>
      JSON.stringify({
        ...sealed,
        object: { ...sealed.object, value: Buffer.from(bytes).toString("base64") },
      }),
    );
    const temporary = join(this.#path, `${id}.new`);
    const file = fs.openSync(temporary, "wx", 0o600);
    try {
      fs.writeSync(file, this.#seal(id, text));
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    fs.renameSync(temporary, this.#fileOf(id));
    this.#sync();
  }

  read(id: ObjectId): Sealed | undefined {
    if (!fs.existsSync(this.#fileOf(id))) return undefined;
    const { project, object } = JSON.parse(this.#open(id, fs.readFileSync(this.#fileOf(id)))) as {
      readonly project: string;
      readonly object: Record<string, string>;
    };
    const { created = "", updated = "", expiration, value = "", ...rest } = object;
    const times = {
      created: new Date(created),
      updated: new Date(updated),
      expiration: expiration === undefined ? undefined : new Date(expiration),
    };
    const bytes = new SecretBytes(Buffer.from(value, "base64"));
    return { project, object: { ...rest, ...times, value: bytes } as unknown as StoredObject };
  }

  /** In the order of their creation. */
  all(): readonly Sealed[] {
    const names = fs.readdirSync(this.#path).filter((name) => name.endsWith(".sealed"));
    return names
      .flatMap((name) => this.read(objectId(name.slice(0, -".sealed".length))) ?? [])
      .toSorted((a, b) => a.object.created.getTime() - b.object.created.getTime());
  }

  remove(id: ObjectId): void {
    fs.rmSync(this.#fileOf(id), { force: true });
    this.#sync();
  }

  #fileOf(id: ObjectId): string {
    return join(this.#path, `${id}.sealed`);
  }

  #sync(): void {
    const folder = fs.openSync(this.#path, "r");
    fs.fsyncSync(folder);
    fs.closeSync(folder);
  }

  #seal(id: ObjectId, text: string): Uint8Array {
    const iv = randomBytes(ivBytes);
    return this.#rootKey.use((key) => {
      const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(id));
      return Buffer.concat([iv, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    });
  }

  #open(id: ObjectId, sealed: Buffer): string {
    try {
      return this.#rootKey.use((key) => {
        const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, ivBytes))
          .setAAD(Buffer.from(id))
          .setAuthTag(sealed.subarray(-tagBytes));
        const text = decipher.update(sealed.subarray(ivBytes, -tagBytes));
        return Buffer.concat([text, decipher.final()]).toString("utf8");
      });
    } catch (cause) {
      const message = `object ${id}: its file was changed, or the root key is another`;
      throw new KeyManagerError("integrity", message, { cause });
    }
  }
}
