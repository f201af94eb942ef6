/**
 * `npm run bench -- luks`: LUKS in TypeScript against openssl, qemu-img and cryptsetup, in one run on the same files in
 * memory. Needs Debian's cryptsetup-bin, qemu-utils and openssl; a peer that is absent is left out of the table.
 *
 * Absolute figures are the machine's; the ratios are what counts. Each figure is the median of several runs.
 */
import { spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
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

const mebibyte = 1024 * 1024;
const imageBytes = 512 * mebibyte;
const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bench-luks-"));
const passphrase = Buffer.from("00112233445566778899aabbccddeeff");
const slot = { passphrase, entropyBits: 128 };
const path = (name: string) => join(folder, name);

interface Line {
  readonly what: string;
  readonly figure: string;
  readonly peer?: string;
  readonly ratio?: string;
  readonly bar?: string;
}

const lines: Line[] = [];

async function main(): Promise<void> {
  writeFileSync(path("key"), passphrase);
  await headers();
  await images();
  const widths = (["what", "figure", "peer", "ratio", "bar"] as const).map((name) => ({
    name,
    width: Math.max(name.length, ...lines.map((line) => line[name]?.length ?? 0)),
  }));
  const shown = (line: Partial<Record<string, string>>) =>
    widths.map(({ name, width }) => (line[name] ?? "").padEnd(width)).join("  ");
  console.log(shown({ what: "what", figure: "figure", peer: "peer", ratio: "ratio", bar: "bar" }));
  for (const line of lines) console.log(shown({ ...line }));
}

async function headers(): Promise<void> {
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
  lines.push(
    against(
      "format, one slot, one token",
      format,
      "cryptsetup, minimal slot",
      peerFormat,
      "< 20 ms",
    ),
    against("test a minimal slot", test, "cryptsetup", peerTest, "< 5 ms"),
  );
}

async function images(): Promise<void> {
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
      speed(`encrypt an image, ${on}`, encrypt, "qemu-img convert", qemuEncrypt, ">= 4"),
      speed(`decrypt an image, ${on}`, decrypt, "qemu-img convert", qemuDecrypt, ">= 4"),
    );
    if (threads === 1 && openssl !== undefined) {
      for (const [what, ms] of [
        ["encrypt", encrypt],
        ["decrypt", decrypt],
      ] as const) {
        const rate = imageBytes / (ms / 1000);
        lines.push({
          what: `${what} an image, one thread`,
          figure: mib(rate),
          peer: `openssl speed, 4 KiB blocks: ${mib(openssl)}`,
          ratio: (rate / openssl).toFixed(2),
          bar: ">= 0.33",
        });
      }
    }
  }
  const copyMs = await peerMs(5, "dd", () => {
    rmSync(path("back"), { force: true });
    return ["status=none", "bs=128k", `if=${raw}`, `of=${path("back")}`];
  });
  if (copyMs !== undefined)
    lines.push({ what: "copy the file with dd", figure: imageRate(copyMs) });
  memory();
}

/** Of a process of its own that encrypts and decrypts an image, beside one that does nothing. */
function memory(): void {
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
    lines.push({
      what: `memory, an image of ${bytes / mebibyte} MiB`,
      figure: `${whole} MiB`,
      peer: `Node.js alone: ${bare} MiB`,
      ratio: `+${whole - bare} MiB`,
      bar: "< 64 MiB",
    });
  }
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

function against(
  what: string,
  ms: number,
  peer: string,
  peerTime: number | undefined,
  bar: string,
): Line {
  return {
    what,
    figure: `${ms.toFixed(1)} ms`,
    peer: peerTime === undefined ? `${peer}: absent` : `${peer}: ${peerTime.toFixed(1)} ms`,
    ratio: peerTime === undefined ? "" : (peerTime / ms).toFixed(1),
    bar,
  };
}

function speed(
  what: string,
  ms: number,
  peer: string,
  peerTime: number | undefined,
  bar: string,
): Line {
  return {
    what,
    figure: imageRate(ms),
    peer: peerTime === undefined ? `${peer}: absent` : `${peer}: ${imageRate(peerTime)}`,
    ratio: peerTime === undefined ? "" : (peerTime / ms).toFixed(1),
    bar,
  };
}

function imageRate(ms: number): string {
  return mib(imageBytes / (ms / 1000));
}

function mib(bytesPerSecond: number): string {
  return `${Math.round(bytesPerSecond / mebibyte)} MiB/s`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
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

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
