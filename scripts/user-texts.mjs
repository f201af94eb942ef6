// Prints every text that a user can meet: the help of every command, every setting of the server, and every error message in
// the source. For an editor who reads them in one go: npm run texts > texts.txt
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { settings } from "@chatelaine/server/settings";

const root = join(fileURLToPath(import.meta.url), "../..");
const command = join(root, "packages/cli/bin/chatelaine.js");

/** The help of a command and of all its subcommands. */
function printHelp(words) {
  const help = spawnSync(process.execPath, [command, ...words, "--help"], {
    encoding: "utf8",
  }).stdout;
  const own = help.replace(/\nGlobal Options:\n.*?(?=\n\n|$)/s, "");
  console.log(`\n=== ${["chatelaine", ...words].join(" ")}\n${own}`);
  const listed = /\nCommands:\n(.*?)(?:\n\n|$)/s.exec(help)?.[1] ?? "";
  for (const [, name] of listed.matchAll(/^ {2}([a-z][a-z-]*)/gm))
    if (name !== "help") printHelp([...words, name]);
}

/** The texts that a file gives to errors: string literals with a space in them, each with the line that it is on. */
function printErrors() {
  for (const path of globSync("packages/*/src/**/*.ts", { cwd: root }).toSorted()) {
    const text = readFileSync(join(root, path), "utf8").replaceAll(
      /\/\*.*?\*\/|^\s*\/\/.*$/gms,
      (comment) => comment.replaceAll(/[^\n]/g, ""),
    );
    if (!/Error\(|refus|warn|problem/i.test(text)) continue;
    const lines = text.split("\n").flatMap((line, index) => {
      const literals = [...line.matchAll(/"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`?/g)]
        .map(([literal]) => literal)
        .filter((literal) => /[a-z]{2,}[,:;]? (?:[a-z]{2,}|\$\{)/i.test(literal));
      return literals.length > 0 && !/^(import|export .* from)/.test(line)
        ? [`${index + 1}: ${literals.join("  ")}`]
        : [];
    });
    if (lines.length > 0) console.log(`\n=== ${path}\n${lines.join("\n")}`);
  }
}

printHelp([]);
console.log("\n=== settings of the server");
for (const [name, setting] of Object.entries(settings))
  console.log(`${name}: ${JSON.stringify(setting)}`);
printErrors();
