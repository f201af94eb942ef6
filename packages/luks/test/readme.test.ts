import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";

const home = fileURLToPath(new URL("..", import.meta.url));

it("the README's example works as it stands", () => {
  const readme = readFileSync(join(home, "README.md"), "utf8");
  const code = /```ts\n([^]*?)```/.exec(readme)?.[1];
  assert.ok(code);
  // Inside the package, so that its own name leads to it.
  mkdirSync(join(home, "dist"), { recursive: true });
  const folder = mkdtempSync(join(home, "dist", "readme-"));
  try {
    writeFileSync(join(folder, "example.ts"), code);
    const { stdout, stderr } = spawnSync(process.execPath, ["example.ts"], {
      cwd: folder,
      encoding: "utf8",
    });
    assert.equal(stdout, "0\n2\n", stderr);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
