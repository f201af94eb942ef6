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
import type { SecretBytes } from "@chatelaine/keys/interface";
import { syncFolder } from "../../../model/durable-file.ts";
import { decodeRootKey, rootKey } from "../ring.ts";
import { RootKeyError } from "../root-key-error.ts";
import { fieldsOf, type RootKeySlotKind, type SealedRootKey, throwIfAborted } from "../slot.ts";

const kind = "file";
const firstLine = "chatelaine-root-key-v1";

/**
 * The root key is in a file of mode 0600, which has one line for each key: during a rotation, there are two. Parameters:
 * `path`, and `id`, the number of the key.
 *
 * The file is `chatelaine-root-key-v1`, then lines of `<id> <32 bytes in base64> <mark>`. The mark says that rows were tagged
 * under this key: a writer of the database cannot undo that. Files from before have no marks.
 */
export const fileSlotKind: RootKeySlotKind = {
  kind,
  seal: async (parameters, key, signal) => {
    throwIfAborted(kind, signal);
    const { path, id } = fieldsOf(kind, parameters, "path", "id");
    const lines = readLines(path);
    const line = { id: Number(id), key };
    if (lines === undefined) createFile(path, line);
    else if (lines.some((one) => one.id === line.id))
      throw new RootKeyError("refused", `root key file ${path}: it already has a key ${id}`);
    else replaceFile(path, [...lines, line]);
    return { kind, path, id };
  },
  open: async (sealed, signal) => {
    throwIfAborted(kind, signal);
    const { path, id } = fieldsOf(kind, sealed, "path", "id");
    const line = readLines(path)?.find((one) => one.id === Number(id));
    if (line !== undefined) return line.key;
    throw new RootKeyError("absent", `root key file ${path}: there is no key ${id} in it`);
  },
};

/** What a root key file holds. */
export interface RootKeyFileContent {
  /** One for each key. */
  readonly sealed: readonly (SealedRootKey & { readonly id: string })[];
  /** True if one of its keys has the mark. */
  readonly rowsTagged: boolean;
}

/**
 * The slots in a file.
 *
 * @returns undefined if the file does not exist
 * @throws RootKeyError `refused` if others than the owner may read it, or if it is not a root key file
 */
export function readKeyFile(path: string): RootKeyFileContent | undefined {
  const lines = readLines(path);
  if (lines === undefined) return undefined;
  return {
    sealed: lines.map(({ id }) => ({ kind, path, id: String(id) })),
    rowsTagged: lines.some(({ id, key, mark }) => mark === markOf(id, key)),
  };
}

/** Writes a file again, in one step, with these keys alone. Every line gets its mark: this version tags all rows. */
export function keepKeys(path: string, keep: (id: number) => boolean): void {
  const lines = readLines(path) ?? [];
  replaceFile(
    path,
    lines.filter(({ id }) => keep(id)),
  );
}

interface Line {
  readonly id: number;
  readonly key: SecretBytes;
  readonly mark?: string | undefined;
}

function readLines(path: string): readonly Line[] | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new RootKeyError("refused", `root key file ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    const mode = fstatSync(file).mode & 0o777;
    if ((mode & 0o077) !== 0)
      throw new RootKeyError(
        "refused",
        `root key file ${path}: mode ${mode.toString(8)} lets others read it; run: chmod 600 ${path}`,
      );
    return parse(path, readFileSync(file, "utf8"));
  } finally {
    closeSync(file);
  }
}

function parse(path: string, text: string): readonly Line[] {
  const [first, ...lines] = text.trimEnd().split("\n");
  if (first !== firstLine || lines.length === 0)
    throw new RootKeyError("refused", `root key file ${path}: not a root key file of Chatelaine`);
  return lines.map((line) => {
    const [id, value, mark] = line.split(" ");
    if (!/^[1-9]\d{0,8}$/.test(id ?? ""))
      throw new RootKeyError(
        "refused",
        `root key file ${path}: a line does not begin with the number of a key`,
      );
    const key = decodeRootKey(value ?? "", `root key file ${path}: key ${id}`);
    return { id: Number(id), key, mark };
  });
}

/** Never replaces a file. */
function createFile(path: string, line: Line): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeWhole(path, "wx", [line]);
}

function replaceFile(path: string, lines: readonly Line[]): void {
  const temporary = `${path}.new`;
  writeWhole(temporary, "w", lines);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

function writeWhole(path: string, flags: "w" | "wx", lines: readonly Line[]): void {
  const file = openSync(path, flags, 0o600);
  try {
    fchmodSync(file, 0o600);
    const texts = lines.map(({ id, key }) =>
      key.use((bytes) => `${id} ${Buffer.from(bytes).toString("base64")} ${markOf(id, key)}`),
    );
    writeSync(file, `${[firstLine, ...texts].join("\n")}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolder(dirname(path));
}

function markOf(id: number, key: SecretBytes): string {
  return key.use((bytes) => rootKey(id, bytes).rowsTaggedMark);
}
