import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type GuestResult, runInGuest } from "../guest/guest.ts";
import { inUseCases } from "../guest/in-use-cases.ts";

const directory = mkdtempSync(join(tmpdir(), "in-use-"));
after(() => rmSync(directory, { recursive: true }));
const programOf = (name: string) => fileURLToPath(new URL(`../guest/${name}`, import.meta.url));
const mebibyte = 1024 * 1024;

describe("a disk that the kernel or another program uses", () => {
  let guest: GuestResult;
  before(async () => {
    guest = await runInGuest([process.execPath, programOf("in-use.ts"), "all"], {
      disks: [96 * mebibyte, 48 * mebibyte, 48 * mebibyte],
      environment: { NODE_NO_WARNINGS: "1" },
      timeoutSeconds: 600,
    });
  });
  for (const title of Object.keys(inUseCases)) {
    it(title, () => {
      assert.ok(guest.stdout.split("\n").includes(`ok ${title}`), guest.stdout + guest.stderr);
    });
  }
});

describe("volumes on disks in use, and on disks of odd sizes", () => {
  it("are refused before anything is made, and open in the kernel where they are not", async () => {
    const program = programOf("volumes-in-use.ts");
    const result = await runInGuest([process.execPath, program, directory], {
      shares: [directory],
      disks: [96 * mebibyte],
      environment: { NODE_NO_WARNINGS: "1" },
      timeoutSeconds: 600,
    });
    assert.equal(result.status, 0, result.stdout + result.stderr);
    assert.match(result.stdout, /^done$/m);
  });
});
