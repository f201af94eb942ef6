import {
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { SecretBytes } from "@chatelaine/keys/interface";
import { syncFolder } from "../model/durable-file.ts";
import { ServerError } from "../model/server-error.ts";

/** One key that wraps project keys; ids only grow. */
export interface RootKey {
  readonly id: number;
  /**
   * Wraps and unwraps; derived, so that the check value says nothing of it.
   *
   * Its wraps are not counted: there is one for each project key that is made, and one
   * more in a rotation of the root key. No request makes more than a project's first
   * key or, after 2^30 seals, its next one, so that 2^32 wraps (where NIST SP 800-38D
   * ends a key with random nonces) are out of reach. System keys seal nothing: they
   * make MACs, which have no such end.
   */
  readonly wrapping: KeyObject;
  /** Tells this key from another, and reveals neither (32 bytes). */
  readonly checkValue: Uint8Array;
  /** Says, in the root key file, that rows were tagged under this key (base64); see {@link markRowsTagged}. */
  readonly rowsTaggedMark: string;
}

/** The root keys at hand: the current one wraps, the others only unwrap while a rotation runs. */
export interface RootKeyRing {
  readonly current: RootKey;
  readonly all: ReadonlyMap<number, RootKey>;
  /** True if the file says so; see {@link markRowsTagged}. */
  readonly rowsTagged: boolean;
}

/** The server must not start: the message says why and what to do. */
export class RootKeyError extends ServerError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("root_key", message, options);
  }
}

const rootKeyBytes = 32;
const firstLine = "chatelaine-root-key-v1";

/** Derives what a root key is used for. @param bytes 32 bytes */
export function rootKey(id: number, bytes: Uint8Array): RootKey {
  if (bytes.length !== rootKeyBytes)
    throw new RootKeyError(`root key ${id}: ${bytes.length} bytes; it must have ${rootKeyBytes}`);
  const derive = (use: string) =>
    createSecretKey(Buffer.from(hkdfSync("sha256", bytes, "", `chatelaine root key: ${use}`, 32)));
  const mac = (use: string, text: string) =>
    createHmac("sha256", derive(use)).update(text).digest();
  return {
    id,
    wrapping: derive("wrap"),
    checkValue: mac("check", "check value"),
    rowsTaggedMark: mac("mark", "rows tagged").toString("base64"),
  };
}

/** A ring of one or more keys; the highest id is current. */
export function rootKeyRing(keys: readonly RootKey[], rowsTagged = false): RootKeyRing {
  const current = keys.toSorted((a, b) => b.id - a.id)[0];
  if (!current) throw new RootKeyError("root key: missing");
  return { current, all: new Map(keys.map((key) => [key.id, key])), rowsTagged };
}

/** The ring of one key given as base64 text, as from an environment variable. */
export function rootKeyFromText(text: SecretBytes): RootKeyRing {
  return text.useText((value) => rootKeyRing([rootKey(1, decodeKey(value.trim(), "root key"))]));
}

/**
 * Reads a root key file: `chatelaine-root-key-v1`, then `<id> <32 bytes in base64>` a line, with a third field once
 * rows were tagged.
 *
 * @returns undefined if there is no such file
 * @throws RootKeyError if others than the owner may read it, or if it is not one
 */
export function readRootKeyFile(path: string): RootKeyRing | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new RootKeyError(`root key file ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    const mode = fstatSync(file).mode & 0o777;
    if ((mode & 0o077) !== 0)
      throw new RootKeyError(
        `root key file ${path}: mode ${mode.toString(8)} lets others read it; run: chmod 600 ${path}`,
      );
    const lines = parseRootKeyFile(path, readFileSync(file, "utf8"));
    const keys = lines.map(({ id, bytes, mark }) => ({ key: rootKey(id, bytes), mark }));
    return rootKeyRing(
      keys.map(({ key }) => key),
      keys.some(({ key, mark }) => mark === key.rowsTaggedMark),
    );
  } finally {
    closeSync(file);
  }
}

/** Makes the first root key file, mode 0600. Refuses to replace one. */
export function createRootKeyFile(path: string): RootKeyRing {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const key = SecretBytes.random(rootKeyBytes);
  return key.use((bytes) => {
    writeWhole(path, "wx", [{ id: 1, bytes }]);
    return rootKeyRing([rootKey(1, bytes)], true);
  });
}

/** Adds a fresh key with the next id and makes it current; replaces the file in one step. */
export function addRootKey(path: string): RootKeyRing {
  const keys = parseRootKeyFile(path, readFileSync(path, "utf8"));
  const id = Math.max(...keys.map((key) => key.id)) + 1;
  const bytes = SecretBytes.random(rootKeyBytes).use((fresh) => Buffer.from(fresh));
  replaceFile(path, [...keys, { id, bytes }]);
  return readRootKeyFile(path) as RootKeyRing;
}

/** Drops every key but the current one, once nothing is wrapped by them any more. */
export function dropOldRootKeys(path: string): RootKeyRing {
  const keys = parseRootKeyFile(path, readFileSync(path, "utf8"));
  const current = Math.max(...keys.map(({ id }) => id));
  replaceFile(
    path,
    keys.filter(({ id }) => id === current),
  );
  return readRootKeyFile(path) as RootKeyRing;
}

/**
 * Records in a root key file that rows were tagged under its keys: what a writer of the database cannot undo. From then
 * on no start tags rows by itself. An older version reads such a file as before.
 */
export function markRowsTagged(path: string): void {
  replaceFile(path, parseRootKeyFile(path, readFileSync(path, "utf8")));
}

/**
 * Checks that the keys at hand are those that the database was written with.
 *
 * @throws RootKeyError if one differs or is missing
 */
export function checkRootKeys(
  ring: RootKeyRing,
  recorded: readonly { readonly id: number; readonly check_value: Uint8Array }[],
): void {
  for (const { id, check_value: expected } of recorded) {
    const key = ring.all.get(id);
    if (!key)
      throw new RootKeyError(
        `root key: the database was written with root key ${id}, which is missing; restore the root key file that belongs to this database`,
      );
    if (!timingSafeEqual(key.checkValue, expected))
      throw new RootKeyError(
        `root key: key ${id} is not the one this database was written with; restore the root key file that belongs to this database`,
      );
  }
}

interface RootKeyLine {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly mark?: string | undefined;
}

function parseRootKeyFile(path: string, text: string): readonly RootKeyLine[] {
  const [first, ...lines] = text.trimEnd().split("\n");
  if (first !== firstLine || lines.length === 0)
    throw new RootKeyError(`root key file ${path}: not a root key file of Chatelaine`);
  return lines.map((line) => {
    const [id, value, mark] = line.split(" ");
    if (!/^[1-9]\d{0,8}$/.test(id ?? ""))
      throw new RootKeyError(`root key file ${path}: a line does not begin with a key's number`);
    const bytes = decodeKey(value ?? "", `root key file ${path}: key ${id}`);
    return { id: Number(id), bytes, mark };
  });
}

function decodeKey(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== rootKeyBytes || bytes.toString("base64") !== text)
    throw new RootKeyError(`${what}: not ${rootKeyBytes} bytes in base64`);
  return bytes;
}

function replaceFile(path: string, keys: readonly RootKeyLine[]): void {
  const temporary = `${path}.new`;
  writeWhole(temporary, "w", keys);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** Every line with its mark: this version tags all rows that it writes. */
function writeWhole(path: string, flags: "w" | "wx", keys: readonly RootKeyLine[]): void {
  const file = openSync(path, flags, 0o600);
  try {
    fchmodSync(file, 0o600);
    const lines = keys.map(
      ({ id, bytes }) =>
        `${id} ${Buffer.from(bytes).toString("base64")} ${rootKey(id, bytes).rowsTaggedMark}`,
    );
    writeSync(file, `${[firstLine, ...lines].join("\n")}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolder(dirname(path));
}
