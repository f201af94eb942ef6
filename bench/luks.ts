import { spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { existsSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  chatelaineToken,
  decryptImage,
  encryptImage,
  formatLuks2,
  testPassphrase,
} from "@chatelaine/luks";
import { atLeast, type Benchmark, below, type Row, type Verdict } from "./benchmark.ts";
import { median } from "./statistics.ts";

const mebibyte = 1024 * 1024;
const imageBytes = 512 * mebibyte;
const folder = join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), `bench-luks-${process.pid}`);
const passphrase = Buffer.from("00112233445566778899aabbccddeeff");
const slot = { passphrase, entropyBits: 128 };
const path = (name: string) => join(folder, name);

/**
 * LUKS in TypeScript against openssl, qemu-img and cryptsetup, in one run on the same files in memory. Needs Debian's
 * cryptsetup-bin, qemu-utils and openssl; a peer that is absent is left out of the table. Each figure is the median of
 * several runs.
 */
export const luks: Benchmark = {
  name: "luks",
  shows: "LUKS in TypeScript against openssl, qemu-img and cryptsetup",
  async run({ log }) {
    try {
      mkdirSync(folder, { mode: 0o700 });
      writeFileSync(path("key"), passphrase);
      log("headers");
      const rows = await headers();
      log(`images of ${imageBytes / mebibyte} MiB`);
      const measured = [...rows, ...(await images())];
      log("memory");
      return { rows: [...measured, ...memory()], notes: ["all files in memory"] };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function headers(): Promise<readonly Row[]> {
  const disk = path("disk");
  const format = await medianMs(40, async () => {
    blank(disk, 32 * mebibyte);
    const token = chatelaineToken({ keyslots: [0], object: "key-1", created: new Date() });
    return () => formatLuks2(disk, { keyslots: [slot], tokens: [token] });
  });
  const test = await medianMs(
    100,
    async () => async () => void (await testPassphrase(disk, passphrase)),
  );
  const minimal = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
  const peerFormat = await peerMs(5, "cryptsetup", () => {
    blank(disk, 32 * mebibyte);
    return [
      "luksFormat",
      "-q",
      "--sector-size",
      "512",
      ...minimal,
      "--key-file",
      path("key"),
      disk,
    ];
  });
  const peerTest = await peerMs(10, "cryptsetup", () => [
    "open",
    "--test-passphrase",
    "--key-file",
    path("key"),
    disk,
  ]);
  return [
    row("format, one slot, one token", inMs(format), {
      peer: peerFigure("cryptsetup, minimal slot", peerFormat, inMs),
      verdict: below(format, "ms", 20),
    }),
    row("test a minimal slot", inMs(test), {
      peer: peerFigure("cryptsetup", peerTest, inMs),
      verdict: below(test, "ms", 5),
    }),
  ];
}

async function images(): Promise<readonly Row[]> {
  const lines: Row[] = [];
  const raw = path("raw");
  await writeRandom(raw);
  const openssl = opensslBytesPerSecond();
  const secret = ["--object", `secret,id=key,file=${path("key")}`];
  const qemuOptions = ["-o", "key-secret=key,iter-time=10"];
  // Creating the header takes qemu-img seconds: it is timed alone and taken off.
  const qemuCreate = await peerMs(3, "qemu-img", () => {
    rmSync(path("qemu"), { force: true });
    return ["create", ...secret, "-f", "luks", ...qemuOptions, path("qemu"), "4M"];
  });
  const qemuWhole = await peerMs(3, "qemu-img", () => {
    rmSync(path("qemu"), { force: true });
    return ["convert", ...secret, "-f", "raw", raw, "-O", "luks", ...qemuOptions, path("qemu")];
  });
  const qemuEncrypt =
    qemuWhole === undefined || qemuCreate === undefined ? undefined : qemuWhole - qemuCreate;
  const qemuDecrypt = await peerMs(3, "qemu-img", () => {
    rmSync(path("back"), { force: true });
    const source = `driver=luks,key-secret=key,file.filename=${path("qemu")}`;
    return ["convert", ...secret, "--image-opts", source, "-O", "raw", path("back")];
  });
  rmSync(path("qemu"), { force: true });
  for (const threads of [1, 2]) {
    const format = { version: 1, keyslots: [slot] } as const;
    const encrypt = await medianMs(5, async () => {
      rmSync(path("luks"), { force: true });
      return () => encryptImage(raw, { format, target: path("luks"), threads });
    });
    const decrypt = await medianMs(5, async () => {
      rmSync(path("back"), { force: true });
      return () => decryptImage(path("luks"), { passphrase, target: path("back"), threads });
    });
    const on = threads === 1 ? "one thread" : `${threads} threads`;
    lines.push(
      besideQemu(`encrypt an image, ${on}`, encrypt, qemuEncrypt),
      besideQemu(`decrypt an image, ${on}`, decrypt, qemuDecrypt),
    );
    if (threads === 1 && openssl !== undefined) {
      for (const [what, ms] of [
        ["encrypt", encrypt],
        ["decrypt", decrypt],
      ] as const) {
        const rate = imageBytes / (ms / 1000);
        lines.push(
          row(`${what} an image, one thread`, mib(rate), {
            peer: `openssl speed, 4 KiB blocks: ${mib(openssl)}`,
            verdict: atLeast(rate / openssl, 0.33),
          }),
        );
      }
    }
  }
  const copyMs = await peerMs(5, "dd", () => {
    rmSync(path("back"), { force: true });
    return ["status=none", "bs=128k", `if=${raw}`, `of=${path("back")}`];
  });
  if (copyMs !== undefined) lines.push(row("copy the file with dd", imageRate(copyMs)));
  return lines;
}

/** Of a process of its own that encrypts and decrypts an image, beside one that does nothing. */
function memory(): readonly Row[] {
  const lines: Row[] = [];
  const bare = largest("");
  for (const bytes of [64 * mebibyte, 4096 * mebibyte]) {
    blank(path("sparse"), bytes);
    rmSync(path("luks"), { force: true });
    const whole = largest(`
      import { decryptImage, encryptImage } from "@chatelaine/luks";
      const passphrase = Buffer.from(${JSON.stringify(passphrase.toString())});
      const format = { version: 1, keyslots: [{ passphrase, entropyBits: 128 }] };
      const target = ${JSON.stringify(path("luks"))};
      await encryptImage(${JSON.stringify(path("sparse"))}, { format, target });
      await decryptImage(target, { passphrase, target: ${JSON.stringify(path("sparse-back"))} });
    `);
    for (const name of ["sparse", "sparse-back", "luks"]) rmSync(path(name), { force: true });
    lines.push(
      row(`memory, an image of ${bytes / mebibyte} MiB`, `${whole} MiB`, {
        peer: `Node.js alone: ${bare} MiB`,
        verdict: below(whole - bare, "MiB", 64),
      }),
    );
  }
  return lines;
}

/** In MiB: the resident memory of a Node.js process with `program`, at its largest. */
function largest(program: string): number {
  // Not ru_maxrss, which begins with what this process had when it forked.
  const report = `
    const { readFileSync } = await import("node:fs");
    console.log(/VmHWM:\\s*(\\d+)/.exec(readFileSync("/proc/self/status", "latin1"))[1]);
  `;
  const options = ["--input-type=module", "--eval", `${program};${report}`];
  const cwd = import.meta.dirname;
  const { stdout } = spawnSync(process.execPath, options, { cwd, encoding: "utf8" });
  return Math.round(Number(stdout) / 1024);
}

/** @param prepare is not timed; what it returns is */
async function medianMs(
  runs: number,
  prepare: () => Promise<() => Promise<unknown>>,
): Promise<number> {
  const times = [];
  for (let run = 0; run < runs; run++) {
    const work = await prepare();
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return median(times);
}

/** Of a program's successful runs; undefined if it is not there. qemu-img fails now and then by itself. */
async function peerMs(
  runs: number,
  command: string,
  arguments_: () => string[],
): Promise<number | undefined> {
  const times = [];
  for (let run = 0; run < runs * 2 && times.length < runs; run++) {
    const list = arguments_();
    const start = performance.now();
    const { error, status } = spawnSync(command, list, { stdio: "ignore" });
    if (error) return undefined;
    if (status === 0) times.push(performance.now() - start);
  }
  return times.length > 0 ? median(times) : undefined;
}

function opensslBytesPerSecond(): number | undefined {
  const options = ["speed", "-mr", "-seconds", "2", "-bytes", "4096", "-evp", "aes-256-xts"];
  const { stdout } = spawnSync("openssl", options, { encoding: "utf8" });
  const rate = Number(/^\+F:.*:([\d.]+)$/m.exec(stdout ?? "")?.[1]);
  return Number.isFinite(rate) ? rate : undefined;
}

function row(
  name: string,
  figure: string,
  beside: { readonly peer?: string; readonly verdict?: Verdict } = {},
): Row {
  const { peer = "", verdict } = beside;
  return { name, columns: { figure, peer }, ...(verdict && { verdict }) };
}

function besideQemu(name: string, ms: number, peerMsOrAbsent: number | undefined): Row {
  return row(name, imageRate(ms), {
    peer: peerFigure("qemu-img convert", peerMsOrAbsent, imageRate),
    ...(peerMsOrAbsent !== undefined && { verdict: atLeast(peerMsOrAbsent / ms, 4) }),
  });
}

function peerFigure(peer: string, ms: number | undefined, show: (ms: number) => string): string {
  return `${peer}: ${ms === undefined ? "absent" : show(ms)}`;
}

function inMs(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}

function imageRate(ms: number): string {
  return mib(imageBytes / (ms / 1000));
}

function mib(bytesPerSecond: number): string {
  return `${Math.round(bytesPerSecond / mebibyte)} MiB/s`;
}

function blank(file: string, bytes: number): void {
  rmSync(file, { force: true });
  writeFileSync(file, "");
  truncateSync(file, bytes);
}

async function writeRandom(file: string): Promise<void> {
  await using handle = await open(file, "w");
  const chunk = Buffer.alloc(mebibyte);
  while (statSync(file).size < imageBytes) await handle.write(randomFillSync(chunk));
}
