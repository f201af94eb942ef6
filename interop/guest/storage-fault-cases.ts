import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import {
  backupHeader,
  decryptImage,
  encryptImage,
  formatLuks2,
  reencryptImage,
} from "@chatelaine/luks";
import {
  createVolume,
  decryptVolume,
  deleteVolume,
  encryptVolume,
  type Ledger,
  openLedger,
  reconcile,
  recover,
  reencryptVolume,
  rekeyVolume,
  resizeVolume,
  type VolumeContext,
  verifyVolume,
} from "@chatelaine/volumes";
import { FileServer } from "./file-server.ts";

// Storage that misbehaves, for the program `storage-faults.ts` in the guest. The disk /dev/ubda is blank before each case.

export const folder = "/mnt/work";
const disk = "/dev/ubda";
const faulty = "/dev/mapper/faulty";
const mebibyte = 1024 * 1024;
const sectors = (mebibytes: number) => mebibytes * 2048;
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const passphrase = Buffer.from("00112233445566778899aabbccddeeff");
const slot = { passphrase, entropyBits: 128 };

/** By what a user sees. Each leaves nothing mounted or mapped. */
export const storageFaultCases: Readonly<Record<string, () => Promise<void>>> = {
  "refuses a read-only device before anything is made": async () => {
    await withVolumes(async (volumes) => {
      const journal = `${folder}/journal`;
      const readOnly = { message: /the device is read-only; .*blockdev --setrw \/dev\/ubda/ };
      run("blockdev", "--setro", disk);
      await assert.rejects(createVolume(volumes, { path: disk }), readOnly);
      await assert.rejects(encryptVolume(volumes, disk, { journal }), readOnly);
      await assertNothingMade(volumes);
      run("blockdev", "--setrw", disk);
      await createVolume(volumes, { path: disk });
      run("blockdev", "--setro", disk);
      await assert.rejects(rekeyVolume(volumes, disk), readOnly);
      await assert.rejects(reencryptVolume(volumes, disk, { journal }), readOnly);
      await assert.rejects(decryptVolume(volumes, disk, { journal }), readOnly);
      await assert.rejects(deleteVolume(volumes, disk), readOnly);
      await verifyVolume(volumes, disk);
      run("blockdev", "--setrw", disk);
      await rekeyVolume(volumes, disk);
      await deleteVolume(volumes, disk);
      await assertNothingMade(volumes);
    });
  },

  "refuses an immutable file and a read-only mount, and has nothing to take back": async () => {
    const place = `${folder}/place`;
    mkdirSync(place, { recursive: true });
    run("mke2fs", "-q", "-t", "ext4", disk);
    run("mount", disk, place);
    await withVolumes(async (volumes) => {
      const [path, plain] = [`${place}/volume`, `${place}/plain`];
      await createVolume(volumes, { path, sizeBytes: mebibyte });
      writeFileSync(plain, Buffer.alloc(mebibyte, "precious"));
      const changes = [
        () => resizeVolume(volumes, path, { sizeBytes: 2 * mebibyte }),
        () => rekeyVolume(volumes, path),
        () => reencryptVolume(volumes, path),
        () => decryptVolume(volumes, path),
        () => deleteVolume(volumes, path),
        () => encryptVolume(volumes, plain),
      ];
      run("chattr", "+i", path, plain);
      for (const change of changes) await assert.rejects(change(), { message: /immutable/ });
      run("chattr", "-i", path, plain);
      run("mount", "-o", "remount,ro", place);
      for (const change of changes) await assert.rejects(change(), { message: /read-only/ });
      await assert.rejects(createVolume(volumes, { path: `${place}/new`, sizeBytes: mebibyte }), {
        message: /EROFS/,
      });
      assert.deepEqual(await volumes.ledger.unfinished(), []);
      await verifyVolume(volumes, path);
      run("mount", "-o", "remount,rw", place);
      await deleteVolume(volumes, path);
      await assertNothingMade(volumes);
    });
    run("umount", place);
  },

  "refuses a device that is suspended, and does not hang on another's": async () => {
    makeFaulty();
    await withVolumes(async (volumes) => {
      await createVolume(volumes, { path: faulty });
      const path = `${folder}/volume`;
      await createVolume(volumes, { path, sizeBytes: mebibyte });
      run("dmsetup", "suspend", "faulty");
      await rekeyVolume(volumes, path);
      await reencryptVolume(volumes, path);
      const suspended = { code: "busy", message: /faulty is suspended.*dmsetup resume faulty/ };
      await assert.rejects(verifyVolume(volumes, faulty), suspended);
      await assert.rejects(deleteVolume(volumes, faulty), suspended);
      await reconcile(volumes);
      run("dmsetup", "resume", "faulty");
      await verifyVolume(volumes, faulty);
      await deleteVolume(volumes, faulty);
      await deleteVolume(volumes, path);
      await assertNothingMade(volumes);
    });
    run("dmsetup", "remove", "faulty");
  },

  "does not wait for an unfinished operation on a device that is suspended": async () => {
    makeFaulty();
    await withVolumes(async (volumes) => {
      const path = `${folder}/volume`;
      await createVolume(volumes, { path: faulty });
      await leaveUnfinished(volumes, faulty);
      run("dmsetup", "suspend", "faulty");
      await within(secondsForOthers, () => createVolume(volumes, { path, sizeBytes: mebibyte }));
      await within(secondsForOthers, () => rekeyVolume(volumes, path));
      const [left] = await within(secondsForOthers, () => recover(volumes));
      assert.equal(left?.outcome, "failed");
      assert.match(left?.problem ?? "", /faulty is suspended.*dmsetup resume faulty/);
      const own = within(secondsForOthers, () => rekeyVolume(volumes, faulty));
      await assert.rejects(own, { message: /faulty is suspended.*dmsetup resume faulty/ });
      run("dmsetup", "resume", "faulty");
      assert.equal((await recover(volumes))[0]?.outcome, "finished");
      await deleteVolume(volumes, faulty);
      await deleteVolume(volumes, path);
      await assertNothingMade(volumes);
    });
    run("dmsetup", "remove", "faulty");
  },

  "does not wait for a file server that is away, with a soft mount": () =>
    refuseToWaitForServer("soft,timeo=50,retrans=2"),

  "does not wait for a file server that is away, with a hard mount": () =>
    refuseToWaitForServer("hard"),

  "loses nothing on a device that fails in the middle of the work, and goes on afterwards":
    async () => {
      const data = Buffer.alloc(36 * mebibyte, "precious");
      makeFaulty();
      execFileSync("dd", [`of=${faulty}`, "bs=1M", "status=none"], { input: data });
      const journal = `${folder}/journal`;
      await withVolumes(async (volumes) => {
        const works = [
          () => encryptVolume(volumes, faulty, { journal }),
          () => reencryptVolume(volumes, faulty, { journal }),
          () => decryptVolume(volumes, faulty, { journal }),
        ];
        for (const work of works) {
          reload("error");
          await assert.rejects(work(), { code: "unfinished", message: /EIO, the storage failed/ });
          assert.equal((await recover(volumes))[0]?.outcome, "failed");
          reload("whole");
          assert.equal((await recover(volumes))[0]?.outcome, "finished");
        }
        await assertNothingMade(volumes);
      });
      const found = execFileSync("dd", [`if=${faulty}`, "bs=1M", "count=36", "status=none"], {
        maxBuffer: 64 * mebibyte,
      });
      assert.ok(found.equals(data));
      run("dmsetup", "remove", "faulty");
    },

  "takes back what it began in a thin pool that is full": async () => {
    run("vgcreate", "--quiet", "thin", disk);
    run("lvcreate", ..."--quiet --type thin-pool --size 8M --name pool thin".split(" "));
    // Seconds until a write fails.
    writeFileSync("/sys/module/dm_thin_pool/parameters/no_space_timeout", "1");
    for (const name of ["full", "volume"]) {
      run("lvcreate", ..."--quiet --thinpool pool --virtualsize 40M thin --name".split(" "), name);
    }
    const path = "/dev/thin/volume";
    // No room at all, and room for a part of the header alone.
    for (const freeKibibytes of [0, 64]) {
      const count = `count=${8 * 1024 - freeKibibytes}`;
      const fill = ["if=/dev/urandom", "of=/dev/thin/full", "bs=1K", count, "conv=fsync"];
      run("blkdiscard", "/dev/thin/full");
      run("dd", ...fill, "status=none");
      await withVolumes(async (volumes) => {
        await assert.rejects(createVolume(volumes, { path }), { name: "LuksError", code: "io" });
        await assertNothingMade(volumes);
      });
    }
    run("vgremove", "--quiet", "--force", "--yes", "thin");
    run("pvremove", "--quiet", disk);
  },

  "leaves no half header backup where it has no room": async () => {
    const place = `${folder}/backups`;
    mkdirSync(place, { recursive: true });
    run("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", place);
    const image = `${folder}/disk-to-back-up`;
    writeFileSync(image, "");
    truncateSync(image, 20 * mebibyte);
    await formatLuks2(image, { keyslots: [slot] });
    const full = backupHeader(image, `${place}/backup`);
    await assert.rejects(full, { name: "LuksError", message: /ENOSPC, no room is left/ });
    assert.deepEqual(readdirSync(place), []);
    run("umount", place);
  },

  "leaves no journal and no change where the journal has no room": async () => {
    const place = `${folder}/place`;
    mkdirSync(place, { recursive: true });
    run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", place);
    const [image, plain] = [`${folder}/image`, `${folder}/plain`];
    const format = { version: 2, keyslots: [slot] } as const;
    for (const path of [image, plain]) writeFileSync(path, Buffer.alloc(mebibyte, "precious"));
    await encryptImage(image, { format });
    const journal = `${place}/journal`;
    const works: [string, () => Promise<void>][] = [
      [plain, () => encryptImage(plain, { format, journal })],
      [image, () => reencryptImage(image, { passphrase, keyslots: [slot], journal })],
      [image, () => decryptImage(image, { passphrase, journal })],
    ];
    for (const [path, work] of works) {
      const before = readFileSync(path);
      await assert.rejects(work(), { name: "LuksError", message: /ENOSPC, no room is left/ });
      assert.deepEqual(readdirSync(place), []);
      assert.ok(before.equals(readFileSync(path)));
    }
    await withVolumes(async (volumes) => {
      const full = createVolume(volumes, { path: `${place}/volume`, sizeBytes: mebibyte });
      await assert.rejects(full, { message: /\/mnt\/work\/place\/.*ENOSPC, no room is left/ });
      assert.deepEqual(readdirSync(place), []);
      await assertNothingMade(volumes);
    });
    run("umount", place);
  },
};

async function withVolumes(work: (volumes: VolumeContext) => Promise<void>): Promise<void> {
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const ledger: Ledger = openLedger({ path: `${folder}/ledger-${randomUUID()}.sqlite` });
  try {
    await work({ keyManager, caller, ledger });
  } finally {
    await ledger.close();
  }
}

/** Whatever an operation on other storage may take in the guest. A file server that is away lets a soft mount wait longer. */
const secondsForOthers = 8;

async function refuseToWaitForServer(options: string): Promise<void> {
  const server = new FileServer(`${folder}/export`);
  const place = `${folder}/nfs`;
  server.mount(place, options);
  await withVolumes(async (volumes) => {
    const [remote, shown, path] = [`${place}/volume`, `${place}/shown`, `${folder}/volume`];
    for (const name of [remote, shown]) {
      await createVolume(volumes, { path: name, sizeBytes: 2 * mebibyte });
    }
    await createVolume(volumes, { path, sizeBytes: mebibyte });
    const loop = run("losetup", "--find", "--show", shown).trim();
    await leaveUnfinished(volumes, remote);
    server.goAway();
    await within(secondsForOthers, () => rekeyVolume(volumes, path));
    // The ledger is asked whether it has the disk under another name.
    await within(secondsForOthers, () => createVolume(volumes, { path: disk }));
    await within(secondsForOthers, () => reencryptVolume(volumes, path));
    const away = /the file server of \/mnt\/work\/nfs .* does not answer/;
    const [left] = await within(secondsForOthers, () => recover(volumes));
    assert.equal(left?.outcome, "failed");
    assert.match(left?.problem ?? "", away);
    const own = within(secondsForOthers, () => rekeyVolume(volumes, remote));
    await assert.rejects(own, { code: "io", message: away });
    server.comeBack();
    for (let tries = 0; (await recover(volumes))[0]?.outcome !== "finished"; tries++) {
      assert.ok(tries < 60, "the server is back, but nothing recovers");
    }
    run("losetup", "--detach", loop);
    for (const name of [remote, shown, path, disk]) await deleteVolume(volumes, name);
    await assertNothingMade(volumes);
  });
  run("umount", place);
  server.end();
}

/** A change of its key that is committed and not finished. */
async function leaveUnfinished(volumes: VolumeContext, path: string): Promise<void> {
  const cut = rekeyVolume({ ...volumes, onStep: cutAfterCommit }, path);
  await assert.rejects(cut, { code: "unfinished" });
}

const cutAfterCommit: VolumeContext["onStep"] = ({ step, moment }) => {
  if (step === "retire the old key slots" && moment === "taking") throw new Error("cut");
};

/** Fails if it takes longer, and does not wait for it then. */
async function within<T>(seconds: number, work: () => Promise<T>): Promise<T> {
  const end = new AbortController();
  const slow = setTimeout(seconds * 1000, undefined, { signal: end.signal }).then((): never => {
    throw new Error(`it takes longer than ${seconds} seconds`);
  });
  try {
    return await Promise.race([work(), slow]);
  } finally {
    end.abort();
    await slow.catch(() => undefined);
  }
}

async function assertNothingMade({ keyManager, ledger }: VolumeContext): Promise<void> {
  const keys = await Array.fromAsync(keyManager.list(caller));
  assert.deepEqual([keys, await ledger.volumes(), await ledger.unfinished()], [[], [], []]);
}

function makeFaulty(): void {
  run("dmsetup", "create", "faulty", "--table", tableOf("whole"));
}

function reload(state: "whole" | "error"): void {
  run("dmsetup", "suspend", "faulty");
  run("dmsetup", "reload", "faulty", "--table", tableOf(state));
  run("dmsetup", "resume", "faulty");
}

/** Of 56 MiB, of which one in the middle fails. */
function tableOf(state: "whole" | "error"): string {
  if (state === "whole") return `0 ${sectors(56)} linear ${disk} 0`;
  return [
    `0 ${sectors(27)} linear ${disk} 0`,
    `${sectors(27)} ${sectors(1)} error`,
    `${sectors(28)} ${sectors(28)} linear ${disk} ${sectors(28)}`,
  ].join("\n");
}

function run(program: string, ...words: readonly string[]): string {
  return execFileSync(program, words, { encoding: "utf8" });
}
