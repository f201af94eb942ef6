import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addKeyslot, killKeyslot } from "../src/header/keyslots.ts";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { hostileDisk, owner } from "./hostile-disk.ts";
import { luksError, mebibyte } from "./scratch.ts";

describe("a drive that encrypts by itself, as cryptsetup 2.7 formats it with --hw-opal", () => {
  for (const type of ["hw-opal", "hw-opal-crypt"]) {
    it(`is shown, not opened and not changed, and the error names the command that opens it: ${type}`, async () => {
      const disk = await hostileDisk(({ segments, keyslots, config }) => {
        const { encryption, sector_size, iv_tweak } = segments["0"];
        segments["0"] = {
          type,
          offset: String(mebibyte),
          size: String(mebibyte),
          opal_segment_number: 1,
          opal_key_size: 32,
          opal_segment_size: String(mebibyte),
          ...(type === "hw-opal-crypt" && { encryption, sector_size, iv_tweak }),
        };
        if (type === "hw-opal") keyslots["0"].key_size = 32;
        config.requirements = { mandatory: ["opal"] };
      });
      const before = Uint8Array.from(disk.bytes);
      const { segments, requirements, warnings } = await readLuks(disk);
      assert.deepEqual([segments[0]?.type, requirements], [type, ["opal"]]);
      assert.match(warnings.join(), /drive encrypts it/);
      for (const refused of [
        () => testPassphrase(disk, owner.passphrase),
        () => addKeyslot(disk, owner.passphrase, owner),
        () => killKeyslot(disk, 0),
      ]) {
        await assert.rejects(refused, (error: Error) => {
          assert.match(error.message, /\(OPAL\).* 2\.7 .*"cryptsetup open --type luks2 /);
          return luksError("unsupported")(error);
        });
      }
      assert.deepEqual(disk.bytes, before);
    });
  }
});
