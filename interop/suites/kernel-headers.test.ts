import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runInGuest } from "../guest/guest.ts";

/** What an attacker gained who can write the medium of a disk, and what the call said. */
interface Outcome {
  readonly name: string;
  readonly gained: readonly string[];
  readonly said: string;
}

const attacks = [
  "another disk through the cipher",
  "a further device through the cipher",
  "plaintext on the medium through the null cipher",
  "the attacker's key through a second slot and digest",
];
const ways = ["importVolume", "verifyVolume", "openVolume", "openVolumes"];

describe("on a real kernel, somebody who can write a disk gains nothing by its header", () => {
  const folder = mkdtempSync(join(tmpdir(), "kernel-headers-"));
  const outcomes = new Map<string, Outcome>();
  let honest: readonly string[] = [];
  before(async () => {
    const path = fileURLToPath(new URL("../guest/headers.ts", import.meta.url));
    const result = await runInGuest([process.execPath, path, folder], {
      shares: [folder],
      disks: [20 << 20, 40 << 20, 64 << 20],
      environment: { NODE_NO_WARNINGS: "1" },
      timeoutSeconds: 600,
    });
    assert.equal(result.status, 0, result.stdout + result.stderr);
    for (const line of result.stdout.split("\n").filter((text) => text.startsWith("{"))) {
      const outcome = JSON.parse(line) as Outcome | { readonly honest: readonly string[] };
      if ("honest" in outcome) honest = outcome.honest;
      else outcomes.set(outcome.name, outcome);
      console.log(line);
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  const gainsNothing = (name: string): Outcome => {
    const outcome = outcomes.get(name);
    assert.ok(outcome, `${name}: was not tried`);
    assert.deepEqual(outcome.gained, [], outcome.said);
    return outcome;
  };
  for (const attack of attacks) {
    for (const way of ways) {
      it(`${way} does not give ${attack}`, () => {
        assert.match(gainsNothing(`${way}: ${attack}`).said, /untrusted_header|check header/);
      });
    }
  }

  it("openVolume does not give the attacker's key through a swap of the header after the check", () => {
    const swap = "the attacker's key through a swap of the header after the check";
    // It opens, by the header that was checked.
    assert.match(gainsNothing(`openVolume: ${swap}`).said, /^\/dev\/mapper\//);
  });

  for (const command of ["disk open --read-only", "disk restore"]) {
    it(`${command} does not show another disk through the UUID`, () => {
      assert.match(gainsNothing(`${command}: another disk through the UUID`).said, /UUID/);
    });
  }

  it("openVolumes does not give the data of a copy in the place of its original", () => {
    const copy = "the data of a copy in the place of its original";
    assert.match(gainsNothing(`openVolumes: ${copy}`).said, /shows \/dev\/ubda/);
  });

  it("still opens honest disks, each in our ways and in cryptsetup's, in turns", () => {
    assert.equal(honest.length, 7, honest.join(", "));
  });
});
