import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";

it("shows a program in its README that works", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const program = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const directory = await mkdtemp(join(tmpdir(), "chatelaine-readme-"));
  try {
    await symlink(
      fileURLToPath(new URL("../../../node_modules", import.meta.url)),
      join(directory, "node_modules"),
    );
    const words = ["--input-type=module"];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, {
      cwd: directory,
      input: program,
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^volume [0-9a-f-]{36} opens slot 0 with key [0-9a-f-]{36}\n$/);
  } finally {
    await rm(directory, { recursive: true });
  }
});
