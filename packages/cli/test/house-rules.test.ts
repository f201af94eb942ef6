import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { exitCodes } from "../src/config/exit-codes.ts";
import { Session } from "./session.ts";

/** A noun or verb: its words after `chatelaine`, and its help at 100 columns. */
interface Entry {
  readonly words: readonly string[];
  readonly help: string;
  readonly isVerb: boolean;
}

async function helpOf(words: readonly string[], columns: number): Promise<string> {
  const { code, out, error } = await new Session({ columns }).run(...words, "--help");
  assert.deepEqual([code, error], [0, ""], words.join(" "));
  return out;
}

/** The command's own description of itself, word by word from the root. */
async function entries(words: readonly string[] = []): Promise<readonly Entry[]> {
  const help = await helpOf(words, 100);
  const listed = /\nCommands:\n(.*?)(?:\n\n|$)/s.exec(help)?.[1] ?? "";
  const children = [...listed.matchAll(/^ {2}([a-z][a-z-]*)/gm)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "help");
  const below = await Promise.all(children.map((child) => entries([...words, child])));
  return [{ words, help, isVerb: children.length === 0 }, ...below.flat()];
}

const all = await entries();
const verbs = all.filter(({ isVerb }) => isVerb);

describe("the command's house rules", () => {
  it("hold for all of them", () => assert.ok(verbs.length > 60, String(verbs.length)));

  for (const { words, help, isVerb } of all) {
    const name = ["chatelaine", ...words].join(" ");

    it(`${name} says what it does, without a full stop`, () => {
      const [, description = ""] = /^Usage: [^\n]*\n\n(.*?)\n\n/s.exec(help) ?? [];
      assert.match(description, /^[A-Z].*[^.]$/s, description);
    });

    it(`${name} --help fits terminals of 40 to 200 columns`, async () => {
      for (const columns of [40, 80, 200]) {
        const [text = ""] = (await helpOf(words, columns)).split("\nExamples:\n");
        for (const line of text.split("\n")) {
          // What is to be typed is not broken: it would not be understood.
          const isTerm = /^ {2}(?:-h, )?(?:--)?[a-z-]+(?: [<[]\S+[>\]])*$/.test(line);
          assert.ok(line.length <= columns || isTerm, `${columns} columns: ${line}`);
        }
      }
    });

    it(`${name} says what was meant when an option is misspelled`, async () => {
      const { code, out, error } = await new Session().run(...words, "--verbos");
      assert.deepEqual([code, out], [2, ""]);
      const meant = /^chatelaine: unknown option '--verbos'\n\(Did you mean --verbose\?\)\n/;
      const needed = /^chatelaine: required option '--[a-z-]+ <[a-z-]+>' not specified\n/;
      assert.match(error, error.includes("required option") ? needed : meant);
    });

    if (!isVerb) continue;

    it(`${name} has --json, and examples that are possible`, () => {
      assert.match(help, /^ {2}--json /m);
      const examples = [...help.matchAll(/^ {2}\$ (.*)$/gm)].map(([, line = ""]) => line);
      assert.ok(examples.length > 0, "it has no example");
      assert.ok(
        examples.some((line) => `${line} `.includes(`${name} `)),
        "no example is of itself",
      );
      for (const line of examples.filter((each) => each.includes(`${name} `)))
        for (const [flag] of line.matchAll(/(?<=\s)--[a-z\d-]+/g))
          assert.match(help, new RegExp(` ${flag}\\b`), `${line}: it has no ${flag}`);
    });
  }

  it("its help and its README list the exit codes", async () => {
    const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
    const [help = "", rows] = [all[0]?.help, readme.replaceAll(/ +/g, " ")];
    for (const [code, meaning] of Object.values(exitCodes)) {
      assert.ok(help.includes(`${String(code).padStart(4)}  ${meaning}\n`), meaning);
      assert.ok(rows.includes(`\n| ${code} | ${meaning} |\n`), meaning);
    }
  });
});
