import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { Session } from "./session.ts";

describe("the README of the command", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");

  it("shows a session that goes as it says", async () => {
    const block = /```console\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
    const steps = block.split(/^\$ chatelaine /m).slice(1);
    assert.equal(steps.length, 2);
    for (const step of steps) {
      const [line = "", ...expected] = step.trimEnd().split("\n");
      const { out, error } = await new Session().runConfigured(...line.split(" "));
      assert.equal(generalised(`${error}${out}`), generalised(expected.join("\n")));
    }
  });

  it("names every command that there is, and no other", async () => {
    const named = [...readme.matchAll(/^\| `chatelaine ([a-z]+(?: [a-z]+)?)/gm)].map(
      (match) => match[1] ?? "",
    );
    for (const words of named) {
      const { code } = await new Session().run(...words.split(" "), "--help");
      assert.equal(code, 0, words);
    }
    for (const noun of ["key", "volume"]) {
      const { out } = await new Session().run(noun, "--help");
      const verbs = [...out.slice(out.indexOf("Commands:")).matchAll(/^ {2}([a-z]+)\b/gm)].map(
        (match) => match[1] ?? "",
      );
      for (const verb of verbs.filter((name) => name !== "help"))
        assert.ok(named.includes(`${noun} ${verb}`), verb);
    }
  });
});

function generalised(text: string): string {
  return text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<id>").trim();
}
