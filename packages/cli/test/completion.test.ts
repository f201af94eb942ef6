import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { before, describe, it } from "node:test";
import { Session } from "./session.ts";

const session = new Session();

describe("completion in bash", () => {
  let script: string;
  before(async () => {
    script = (await session.run("completion", "bash")).out;
  });

  /** What bash offers for the last of these words; none, and it offers the names of files. */
  function offered(...words: readonly string[]): readonly string[] {
    const line = words.map((word) => `'${word}'`).join(" ");
    const asked = `COMP_WORDS=(chatelaine ${line}); COMP_CWORD=${words.length}; _chatelaine`;
    const { status, stdout, stderr } = spawnSync("bash", ["--norc", "--noprofile", "-s"], {
      input: `${script}\n${asked}\nprintf '%s\\n' "\${COMPREPLY[@]}"\n`,
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    assert.equal(stderr, "");
    return stdout.split("\n").filter((word) => word !== "");
  }

  for (const [words, expected] of [
    [["vol"], ["volume"]],
    [["luks", "slots", "k"], ["kill"]],
    [["--os-cloud", "volume", "ke"], ["key"]],
    [["luks", "slots", "add", "--entr"], ["--entropy-bits"]],
    [["luks", "slots", "add", "--ver"], ["--verbose"]],
    [["completion", "--j"], ["--json"]],
  ] as const) {
    it(`of "${words.join(" ")}" is ${expected.join(" ")}`, () => {
      assert.deepEqual(offered(...words), expected);
    });
  }

  for (const words of [
    ["luks", "dump", ""],
    ["luks", "slots", "add", "--passphrase-file", ""],
    ["--os-cloud", ""],
  ]) {
    it(`of "${words.join(" ")}" is left to the names of files`, () => {
      assert.deepEqual(offered(...words), []);
    });
  }
});

describe("completion", () => {
  it("is refused for a shell that it does not know, with those it knows", async () => {
    const { code, error } = await session.run("completion", "csh");
    assert.equal(code, 2);
    assert.match(error, /bash, zsh, fish/);
  });
});
