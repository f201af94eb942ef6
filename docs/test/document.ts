import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** A fenced block of a document. */
export interface Block {
  /** Such as `sh` or `yaml`; empty if it names none. */
  readonly language: string;
  /** The rest of the opening fence: a file's path, or `host`, which says that the commands need a host of their own. */
  readonly label: string;
  readonly text: string;
}

/** The fenced blocks of a document, in order. @param path from the root of the repository */
export async function blocksOf(path: string): Promise<readonly Block[]> {
  const document = await readFile(join(root, path), "utf8");
  return [...document.matchAll(/^```(\S*)(?: (\S+))?\n(.*?)^```$/gms)].map(
    ([, language = "", label = "", text = ""]) => ({ language, label, text }),
  );
}

export interface Follow {
  /** The reader's: HOME, and what `replace` may point into. */
  readonly home: string;
  readonly cwd: string;
  /** Commands that come before the document's. */
  readonly before?: string;
  /** Commands that come after them, such as what ends a server. */
  readonly after?: string;
  /** Texts of the document that a test cannot have, such as /etc, and what stands for each. */
  readonly replace?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Does what a reader does who goes through a document from the top: writes the files that its
 * blocks name, and runs its `sh` blocks in one shell, stopping at the first command that fails.
 * What a job in the background leaves running ends with the shell.
 *
 * @returns what was printed
 */
export async function follow(path: string, reader: Follow): Promise<string> {
  const { home, cwd, before = "", after = "", replace = {}, environment = {} } = reader;
  const inPlace = (text: string) =>
    Object.entries(replace).reduce((changed, [from, to]) => changed.replaceAll(from, to), text);
  let commands = "";
  for (const { language, label, text } of await blocksOf(path)) {
    if (language === "sh" && label === "") commands += inPlace(text);
    if (label.includes("/")) await writeWithFolder(inPlace(label), inPlace(text));
  }
  // -m, as in a terminal, so that what was started with & is a job that ends with all its processes.
  const script = `set -eum\ntrap 'kill %1 2>/dev/null || :' EXIT\n${before}\n${commands}${after}\nwait\n`;
  const PATH = `${root}/node_modules/.bin:${process.env["PATH"] ?? ""}`;
  const { stdout } = await promisify(execFile)("bash", ["-c", script], {
    cwd,
    env: { HOME: home, PATH, ...environment },
    // To end one that hangs, on any machine.
    timeout: 600_000,
  });
  return stdout;
}

async function writeWithFolder(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text, { mode: 0o600 });
}
