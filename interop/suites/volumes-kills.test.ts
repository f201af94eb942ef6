import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

it("survives at least 300 kills, before and after calls, writes and syncs", () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--test", "packages/volumes/test/kill.test.ts"],
    {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, CHATELAINE_KILLS: "30", NODE_TEST_CONTEXT: undefined },
    },
  );
  assert.equal(status, 0, `${stdout}${stderr}`);
  const kills = Number(/kills: (\d+)/.exec(stdout)?.[1]);
  console.log(`kills: ${kills}`);
  assert.ok(kills >= 300, `only ${kills} kills`);
});
