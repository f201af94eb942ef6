import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type Caller, type KeyManager, MemoryKeyManager } from "@chatelaine/keys";
import { createVolume, openLedger, type VolumeContext, withVolumeData } from "../src/index.ts";
import { forge } from "./forge.ts";

const folder = await mkdtemp(join(tmpdir(), "second-reading-"));
after(() => rm(folder, { recursive: true }));

const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const text = "what the tenant wrote";

describe("a header that changes after it was checked", () => {
  it("does not decide how the tenant's data are read and written", async () => {
    const path = join(folder, "disk.img");
    const ledger = openLedger({ path: join(folder, "ledger.sqlite") });
    after(() => ledger.close());
    const keyManager = new MemoryKeyManager({ warn: () => undefined });
    const volumes: VolumeContext = { keyManager, caller, ledger };
    await createVolume(volumes, { path, sizeBytes: 1 << 20 });
    await withVolumeData(volumes, path, (disk) => disk.write(0, Buffer.from(text)), "write");

    // The key is fetched after the check and before the use.
    const swaps = swapping(keyManager, () =>
      forge(path, ({ segments }) => Object.assign(segments["0"] as object, { iv_tweak: "8" })),
    );
    const read = await withVolumeData({ ...volumes, keyManager: swaps }, path, async (disk) => {
      const bytes = Buffer.alloc(text.length);
      await disk.read(0, bytes);
      return bytes.toString();
    });
    assert.equal(read, text);
    // The next check finds it.
    await assert.rejects(
      withVolumeData(volumes, path, async () => undefined),
      { code: "integrity" },
    );
  });
});

/** A key manager during whose answers somebody writes the disk. */
function swapping(keyManager: KeyManager, swap: () => Promise<void>): KeyManager {
  return new Proxy(keyManager, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return async (...words: unknown[]) => {
        if (name === "get") await swap();
        return Reflect.apply(member, target, words) as unknown;
      };
    },
  });
}
