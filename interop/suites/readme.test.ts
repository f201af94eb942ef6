import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type BarbicanLab, startBarbicanLab } from "../barbican/lab.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

let lab: BarbicanLab;
let directory: string;
let readme: string;

before(async () => {
  lab = await startBarbicanLab();
  directory = await mkdtemp(join(tmpdir(), "chatelaine-readme-"));
  await symlink(join(root, "node_modules"), join(directory, "node_modules"));
  readme = await readFile(join(root, "README.md"), "utf8");
});
after(async () => {
  await rm(directory, { recursive: true, force: true });
  await lab.stop();
});

/** The first block of a language in the README. */
function block(language: string): string {
  return new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1] ?? "";
}

function run(command: string, words: readonly string[], input = "") {
  const path = `${root}/node_modules/.bin:${process.env["PATH"] ?? ""}`;
  const options = { cwd: directory, input, encoding: "utf8" } as const;
  return spawnSync(command, words, { ...options, env: { ...lab.environment("demo"), PATH: path } });
}

/** What differs from run to run. */
function generalised(text: string): string {
  return text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<id>").trim();
}

describe("the README", () => {
  it("shows a program that works", async () => {
    const { status, stdout, stderr } = run("node", ["--input-type=module"], block("ts"));
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^disk\.img: key [0-9a-f-]{36} opens slot 0\n$/);
    run("chatelaine", ["volume", "delete", "disk.img"]);
  });

  it("shows a session that goes as it says", () => {
    const steps = block("console")
      .split(/^\$ /m)
      .filter((step) => step.startsWith("chatelaine"));
    assert.equal(steps.length, 3);
    let keyId = "";
    for (const step of steps) {
      const [line = "", ...expected] = step.trimEnd().split("\n");
      const command = line.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/, keyId);
      const { stdout, stderr } = run("sh", ["-c", command]);
      keyId = /^key\s+([0-9a-f-]{36})$/m.exec(stdout)?.[1] ?? keyId;
      const said = `${stdout}${stderr}`.replace(/^warning: order .*\n/m, "");
      assert.equal(generalised(said), generalised(expected.join("\n")));
    }
    assert.equal(run("chatelaine", ["volume", "delete", "disk.img"]).status, 0);
  });
});
