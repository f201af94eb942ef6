/** docs/nova-and-cinder.md as its reader has it: what it says is what is tried. */
import { execFile } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Block, blocksOf } from "../../docs/test/document.ts";

const run = promisify(execFile);

function blocks(): Promise<readonly Block[]> {
  return blocksOf("docs/nova-and-cinder.md");
}

/** The words of each `openstack` command that begins so, after `openstack`. */
export async function commandsOfGuide(beginning: string): Promise<readonly (readonly string[])[]> {
  const lines = (await blocks())
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => text.trimEnd().split("\n"));
  return lines
    .filter((line) => line.startsWith(`openstack ${beginning}`))
    .map((line) => line.split(" ").slice(1));
}

/** What stands in the guide for addresses and credentials. */
export interface Surroundings {
  readonly keyServerUrl: string;
  /** With the /v3. */
  readonly keystoneUrl: string;
  /** Of the service's own user; without, its token is not sent along. */
  readonly service?: { readonly username: string; readonly password: string };
}

/** The guide's settings of Castellan, for one's own surroundings. */
export async function castellanSettings(around: Surroundings): Promise<string> {
  const named = await textsOf(
    around.service ? ["castellan.conf", "service.conf"] : ["castellan.conf"],
  );
  return named
    .join("\n")
    .replaceAll("https://keys.example.com:9311", around.keyServerUrl)
    .replaceAll("https://keystone.example.com/v3", around.keystoneUrl)
    .replace("username = nova", `username = ${around.service?.username}`)
    .replace("password = change-me", `password = ${around.service?.password}`);
}

/**
 * The guide's options for Nova and Cinder, as `package: [group] option`, that Debian's packages do not define. They are
 * unpacked, not installed: it takes a hundred others to run them.
 */
export async function unknownOptions(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-guide-"));
  try {
    const unknown: string[] = [];
    for (const [name, file] of [
      ["nova", "nova.conf"],
      ["cinder", "cinder.conf"],
    ] as const) {
      const sources = [...(await sourcesOf(folder, name)), ...castellanSources()];
      const [text = ""] = await textsOf([file]);
      for (const { group, option } of optionsOf(text))
        if (!sources.some((source) => defines(source, group, option)))
          unknown.push(`${name}: [${group}] ${option}`);
    }
    return unknown;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function textsOf(labels: readonly string[]): Promise<readonly string[]> {
  const all = await blocks();
  return labels.map((label) => {
    const found = all.find((block) => block.label === label);
    if (!found) throw new Error(`docs/nova-and-cinder.md: there is no ${label}`);
    return found.text;
  });
}

async function sourcesOf(folder: string, name: string): Promise<readonly string[]> {
  const debian = `python3-${name}`;
  const download = () => run("apt-get", ["download", debian], { cwd: folder });
  await download().catch(async () => {
    await run("apt-get", ["update"]);
    await download();
  });
  const [archive = ""] = globSync(`${debian}_*.deb`, { cwd: folder });
  await run("dpkg", ["-x", join(folder, archive), join(folder, name)]);
  const packages = join(folder, name, "usr/lib/python3/dist-packages");
  return read(
    globSync(`${name}/conf/**/*.py`, { cwd: packages }).map((path) => join(packages, path)),
  );
}

function castellanSources(): readonly string[] {
  const castellan = "/usr/lib/python3/dist-packages/castellan";
  return read([`${castellan}/key_manager/__init__.py`, `${castellan}/key_manager/migration.py`]);
}

function read(paths: readonly string[]): readonly string[] {
  return paths.map((path) => readFileSync(path, "utf8"));
}

function optionsOf(text: string): readonly { readonly group: string; readonly option: string }[] {
  let group = "";
  return text.split("\n").flatMap((line) => {
    group = /^\[(\w+)\]$/.exec(line)?.[1] ?? group;
    const option = /^(\w+) *=/.exec(line)?.[1];
    return option === undefined ? [] : [{ group, option }];
  });
}

function defines(source: string, group: string, option: string): boolean {
  return (
    new RegExp(`Opt\\(\\s*['"]${option}['"]`).test(source) &&
    new RegExp(`['"]${group}['"]`).test(source)
  );
}
