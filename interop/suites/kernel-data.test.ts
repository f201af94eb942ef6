import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import type { OpenDisk } from "@chatelaine/luks";
import {
  encryptVolume,
  openLedger,
  recover,
  reencryptVolume,
  type VolumeContext,
  withVolumeData,
} from "@chatelaine/volumes";
import { runInGuest } from "../guest/guest.ts";
import { runTool } from "../host/run-tool.ts";

it("an open volume is encrypted anew and made larger while it is in use, and goes on when it is cut", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kernel-data-"));
  const program = "../../packages/volumes/test/kill/mapped.ts";
  try {
    const result = await runInGuest(
      [process.execPath, fileURLToPath(new URL(program, import.meta.url)), "all", folder],
      {
        shares: [folder],
        disks: [160 << 20],
        environment: { NODE_NO_WARNINGS: "1" },
        timeoutSeconds: 900,
      },
    );
    assert.equal(result.status, 0, result.stdout + result.stderr);
    console.log(result.stdout);
    assert.equal(result.stdout.match(/files were written meanwhile/g)?.length, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("volumes on LVM are killed at moments of every operation, and no data, key or record is lost", async () => {
  const folder = mkdtempSync(join(tmpdir(), "volume-devices-"));
  const program = "../../packages/volumes/test/kill/devices.ts";
  try {
    const result = await runInGuest(
      [process.execPath, fileURLToPath(new URL(program, import.meta.url)), folder],
      {
        shares: [folder],
        disks: [64 << 20],
        environment: { NODE_NO_WARNINGS: "1" },
        timeoutSeconds: 900,
      },
    );
    assert.equal(result.status, 0, result.stdout + result.stderr);
    const kills = Number(/kills: (\d+)/.exec(result.stdout)?.[1]);
    console.log(`kills: ${kills}`);
    assert.ok(kills >= 18, `only ${kills} kills`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe("a disk that gets full while its data are encrypted", () => {
  const mountPoint = mkdtempSync(join(tmpdir(), "kernel-data-full-"));
  const state = mkdtempSync(join(tmpdir(), "kernel-data-state-"));
  const path = join(mountPoint, "disk.img");
  const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const ledger = openLedger({ path: join(state, "ledger.sqlite") });
  const volumes: VolumeContext = { keyManager, caller, ledger };
  before(() => runTool("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", mountPoint]));
  after(async () => {
    await ledger.close();
    runTool("umount", [mountPoint]);
    rmSync(mountPoint, { recursive: true });
    rmSync(state, { recursive: true });
  });
  const resize = (size: string) => runTool("mount", ["-o", `remount,size=${size}`, mountPoint]);

  it("is refused beforehand without a change, and goes on with room if others took it meanwhile", async () => {
    writeFileSync(path, Buffer.alloc(8 << 20, "precious"));
    resize("12m");
    await assert.rejects(encryptVolume(volumes, path), { code: "io", message: /needs \d+ bytes/ });
    assert.equal(readFileSync(path).length, 8 << 20);
    assert.deepEqual(await Array.fromAsync(keyManager.list(caller)), []);
    resize("64m");
    let isTaken = false;
    const crowded: VolumeContext = {
      ...volumes,
      onStep: ({ step, moment }) => {
        if (isTaken || step !== "encrypt the data" || moment !== "taking") return;
        isTaken = true;
        writeFileSync(join(mountPoint, "others"), Buffer.alloc(50 << 20));
      },
    };
    await assert.rejects(encryptVolume(crowded, path), { code: "unfinished", message: /ENOSPC/ });
    assert.equal((await recover(volumes))[0]?.outcome, "failed");
    rmSync(join(mountPoint, "others"));
    assert.equal((await recover(volumes))[0]?.outcome, "finished");
    assert.equal(await withVolumeData(volumes, path, firstWord), "precious");
    await reencryptVolume(volumes, path);
    assert.equal(await withVolumeData(volumes, path, firstWord), "precious");
  });
});

async function firstWord(disk: OpenDisk): Promise<string> {
  const bytes = Buffer.alloc(8);
  await disk.read(0, bytes);
  return bytes.toString();
}
