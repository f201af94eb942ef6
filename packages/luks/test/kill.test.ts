import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { backupHeader } from "../src/header/backup.ts";
import { changePassphrase } from "../src/header/keyslots.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { interruptedOperation, resumeImage } from "../src/image/resume.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { blankFile, mebibyte, scratchPath } from "./scratch.ts";
import { backupOf, headerOperations, imageOperations, keys, resumption } from "./victim.ts";

const victim = fileURLToPath(new URL("victim.ts", import.meta.url));
/** `npm run prove -- luks` kills at each write; the ordinary tests at one of each operation. */
const everywhere = process.env["CHATELAINE_PROVE"] === "1";

/** Runs an operation in a process that kills itself with SIGKILL in the middle of its nth write. */
function kill(operation: string, path: string, atWrite: number): "killed" | "finished" {
  const { signal, status, stderr } = spawnSync(
    process.execPath,
    [victim, operation, path, String(atWrite)],
    { encoding: "utf8" },
  );
  if (signal === "SIGKILL") return "killed";
  assert.equal(status, 0, stderr);
  return "finished";
}

const someWrites = everywhere ? Array.from({ length: 200 }, (_, n) => n) : [1];

describe("a process killed in the middle of changing a header leaves a disk that opens", () => {
  for (const version of [1, 2] as const) {
    for (const name of Object.keys(headerOperations)) {
      if (version === 1 && /token|label/.test(name)) continue;
      it(`LUKS${version}, ${name}`, async (t) => {
        const original = blankFile(4 * mebibyte);
        const format = version === 1 ? formatLuks1 : formatLuks2;
        await format(original, { keyslots: [keys.one, keys.two], dataOffset: 3 * mebibyte });
        const path = scratchPath();
        await backupHeader(original, backupOf(path));
        if (/restore/.test(name)) await changePassphrase(original, keys.two.passphrase, keys.three);
        let kills = 0;
        for (const write of someWrites) {
          copyFileSync(original, path);
          const outcome = kill(name, path, write);
          // The slot that the operation does not touch opens whatever happens; a failure says why it does not.
          assert.equal(await testPassphrase(path, keys.one.passphrase), 0, `write ${write}`);
          if (outcome === "finished") break;
          kills++;
        }
        t.diagnostic(`${kills} kills`);
        assert.ok(kills > 0);
      });
    }
  }
});

describe("a process killed in the middle of changing an image loses nothing", () => {
  const content = Buffer.alloc(5 * mebibyte, "content of the disk");
  for (const name of Object.keys(imageOperations)) {
    it(name, async (t) => {
      const original = scratchPath("raw");
      writeFileSync(original, content);
      const format = { version: 2, keyslots: [keys.one], dataOffset: 2 * mebibyte } as const;
      if (name !== "encrypt") await encryptImage(original, { format });
      const path = scratchPath();
      let kills = 0;
      for (const write of everywhere ? someWrites : [5]) {
        copyFileSync(original, path);
        rmSync(`${path}.chatelaine`, { recursive: true, force: true });
        const outcome = kill(name, path, write);
        if (outcome === "killed") {
          kills++;
          const waiting = await interruptedOperation(path);
          // What resumes it is killed as well, at other places each time.
          for (const again of [write % 3, 1]) {
            if (kill(resumption, path, again) === "killed") kills++;
          }
          await resumeImage(path, { passphrase: keys.one.passphrase });
          assert.ok(!existsSync(`${path}.chatelaine`));
          // Killed before anything had been done: the image is as it was.
          if (!waiting) {
            assert.ok(readFileSync(path).equals(readFileSync(original)));
            continue;
          }
        }
        if (name !== "decrypt") await decryptImage(path, { passphrase: keys.one.passphrase });
        assert.ok(readFileSync(path).equals(content), `write ${write}`);
        if (outcome === "finished") break;
      }
      t.diagnostic(`${kills} kills`);
      assert.ok(kills > 0);
    });
  }
});
