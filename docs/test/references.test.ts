import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { diagnoseServer, loadServerConfig } from "@chatelaine/server";
import { settingNames, variableOf } from "@chatelaine/server/settings";
import { run } from "chatelaine";
import { blocksOf, root } from "./document.ts";

const documents = globSync(["*.md", "docs/**/*.md", "examples/*.md", "packages/*/README.md"], {
  cwd: root,
  exclude: ["**/node_modules"],
});

/** Commands as they stand in blocks of shell, and between backquotes in the text. */
function commandsIn(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^```(?:sh|console)[^\n]*\n(.*?)^```$/gms)].map(
    (m) => m[1] ?? "",
  );
  const lines = blocks
    .join("\n")
    .replaceAll("\\\n", " ")
    .split(/\n|\$\(|&&|\|/);
  const prose = text.replaceAll(/^```.*?^```$/gms, "");
  const inline = [...prose.matchAll(/`([^`]+)`/g)].map((m) => m[1] ?? "");
  return [...lines, ...inline]
    .map(
      (line) => /^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:npx )?chatelaine ((?:[^#]|#\S)*)/.exec(line)?.[1],
    )
    .filter((line) => line !== undefined);
}

const helps = new Map<string, Promise<string>>();

function helpOf(words: readonly string[]): Promise<string> {
  const key = words.join(" ");
  const known = helps.get(key) ?? printHelp(words);
  helps.set(key, known);
  return known;
}

async function printHelp(words: readonly string[]): Promise<string> {
  let out = "";
  const nowhere = "/nonexistent";
  await run([...words, "--help"], {
    out: (text) => {
      out += String(text);
    },
    error: () => {},
    columns: 100,
    environment: {},
    workingDirectory: nowhere,
    homeDirectory: nowhere,
    temporaryDirectory: nowhere,
  });
  return out;
}

/** The help of the command that a line names. @throws AssertionError if there is no such command */
async function helpOfLine(line: string): Promise<string> {
  const words: string[] = [];
  let help = await helpOf([]);
  const rest = line.replace(/^(?:--(?:json|verbose) |--\S+ \S+ )*/, "").trim();
  for (const word of rest.split(/\s+/)) {
    const commands = help.split("\nCommands:")[1];
    if (commands === undefined || !/^[a-z-]+$/.test(word) || word.startsWith("-")) break;
    assert.match(commands, new RegExp(`^  ${word}\\b`, "m"), `chatelaine ${line}: no such command`);
    words.push(word);
    help = await helpOf(words);
  }
  return help;
}

describe("the documents", () => {
  for (const path of documents) {
    const text = readFileSync(join(root, path), "utf8");

    it(`${path} links to what there is`, () => {
      for (const [, target = ""] of text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g))
        if (!/^[a-z]+:/.test(target))
          assert.ok(existsSync(join(root, dirname(path), target)), `${target} is not there`);
    });

    it(`${path} names only commands, options and variables that there are`, async () => {
      const global = await helpOf([]);
      for (const line of commandsIn(text)) {
        const help = await helpOfLine(line);
        const flags = [...line.matchAll(/(?<=\s|^)(--[a-z-]+)/g)].map((m) => m[1] ?? "");
        for (const flag of flags)
          assert.ok(
            `${help}${global} --help`.includes(` ${flag}`),
            `chatelaine ${line}: it has no ${flag}`,
          );
      }
      const server = new Set(settingNames.map(variableOf));
      const command = readFileSync(join(root, "packages/cli/src/config/settings.ts"), "utf8");
      for (const [variable] of text.matchAll(/\bCHATELAINE_SERVER_[A-Z_]+[A-Z]\b/g))
        assert.ok(server.has(variable) || variable === "CHATELAINE_SERVER_CONFIG", variable);
      for (const [variable] of text.matchAll(/\bCHATELAINE_(?!SERVER_|KILLS|SEED)[A-Z_]+[A-Z]\b/g))
        assert.ok(command.includes(`"${variable}"`), variable);
    });
  }
});

describe("docs/operations.md", async () => {
  const blocks = await blocksOf("docs/operations.md");

  it("has settings for Keystone that a server takes", async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "chatelaine-settings-"));
    t.after(() => rm(directory, { recursive: true }));
    const file = join(directory, "keystone.yaml");
    const text = blocks.find(({ label }) => label === "keystone.yaml")?.text ?? "";
    await writeFile(file, text, { mode: 0o600 });
    const config = loadServerConfig({ file, environment: {} });
    assert.equal(config.text("identity.mode"), "keystone");
  });

  it("has settings of a server that moved, which a server takes", async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "chatelaine-settings-"));
    t.after(() => rm(directory, { recursive: true }));
    const file = join(directory, "moved.yaml");
    await writeFile(file, blocks.find(({ label }) => label === "moved.yaml")?.text ?? "");
    const config = loadServerConfig({ file, environment: {} });
    assert.equal(config.publicUrl(9311), "https://keys.example.com");
    assert.equal(config.acceptedAddresses().length, 2);
  });

  it("has units' variables that a server takes", () => {
    const units = blocks.filter(({ language }) => language === "ini").map(({ text }) => text);
    const environment = Object.fromEntries(
      [...units.join("").matchAll(/^Environment=(\w+)=(.*)$/gm)].map((m) => [m[1] ?? "", m[2]]),
    );
    const config = loadServerConfig({ environment });
    assert.equal(config.publicUrl(9311), "https://keys.example.com:9311");
    assert.equal(config.text("tls.keyFile"), "%d/key.pem");
  });
});

describe("docs/nova-and-cinder.md", () => {
  it("has a setting that a server takes", async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "chatelaine-settings-"));
    t.after(() => rm(directory, { recursive: true }));
    const file = join(directory, "server.yaml");
    const blocks = await blocksOf("docs/nova-and-cinder.md");
    await writeFile(file, blocks.find(({ label }) => label === "server.yaml")?.text ?? "");
    const config = loadServerConfig({ file, environment: {} });
    assert.equal(config.text("orders.aes512"), "xts");
  });
});

describe("an example of a server on every address", () => {
  const places = ["deploy/*", "docs/*.md", "packages/*/systemd/*", "examples/*.*", "README.md"];
  for (const path of globSync(places, { cwd: root })) {
    const text = readFileSync(join(root, path), "utf8");
    if (!/LISTEN_HOST[^A-Z]{1,40}(?:0\.0\.0\.0|::)|listen-host[ =](?:0\.0\.0\.0|::)/.test(text))
      continue;

    it(`${path} sets what clients are told, too`, () => {
      assert.match(text, /CHATELAINE_SERVER_PUBLIC_URL|--public-url|^publicUrl:/m);
    });
  }
});

describe("docs/identity-and-policy.md", () => {
  it("has a policy that a server takes", async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "chatelaine-policy-"));
    t.after(() => rm(directory, { recursive: true }));
    const file = join(directory, "policy.yaml");
    const blocks = await blocksOf("docs/identity-and-policy.md");
    await writeFile(file, blocks.find(({ language }) => language === "yaml")?.text ?? "");
    const flags = { "--data-directory": directory, "--policy-file": file };
    const found = await diagnoseServer(loadServerConfig({ flags, environment: {} }));
    assert.equal(found.find(({ check }) => check === "policy")?.state, "ok");
  });
});
