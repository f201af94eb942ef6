import { spawnSync } from "node:child_process";
import { randomBytes, randomFillSync } from "node:crypto";
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
// The inside of the package, which is not its interface: to tell the cipher's share of the time from that of files.
import { sectorCipher } from "../packages/luks/dist/crypto/choose-cipher.js";
import { parseCipher } from "../packages/luks/dist/crypto/cipher-spec.js";
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
  async run({ rounds = 5, log }) {
    try {
      mkdirSync(folder, { mode: 0o700 });
      writeFileSync(path("key"), passphrase);
      log("headers");
      const rows = await headers();
      log(`images of ${imageBytes / mebibyte} MiB`);
      const measured = [...rows, ...(await images(rounds))];
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

/** All take turns, so that what else runs on the machine weighs on all alike. */
async function images(rounds: number): Promise<readonly Row[]> {
  const raw = path("raw");
  await writeRandom(raw);
  const secret = ["--object", `secret,id=key,file=${path("key")}`];
  const qemuOptions = ["-o", "key-secret=key,iter-time=10"];
  const luksSource = `driver=luks,key-secret=key,file.filename=${path("qemu")}`;
  const format = { version: 1, keyslots: [slot] } as const;
  const samples = new Map<string, number[]>();
  const sample = (name: string, ms: number | undefined) => {
    if (ms !== undefined) samples.set(name, [...(samples.get(name) ?? []), ms]);
  };
  const ours = async (name: string, target: string, work: () => Promise<void>) => {
    rmSync(target, { force: true });
    const start = performance.now();
    await work();
    sample(name, performance.now() - start);
  };
  for (let round = 0; round < rounds; round++) {
    // Creating the header takes qemu-img seconds: it is timed alone and taken off.
    const create = await peerMs(1, "qemu-img", () => {
      rmSync(path("qemu"), { force: true });
      return ["create", ...secret, "-f", "luks", ...qemuOptions, path("qemu"), "4M"];
    });
    const whole = await peerMs(1, "qemu-img", () => {
      rmSync(path("qemu"), { force: true });
      return ["convert", ...secret, "-f", "raw", raw, "-O", "luks", ...qemuOptions, path("qemu")];
    });
    if (create !== undefined && whole !== undefined) sample("qemu encrypt", whole - create);
    for (const threads of [1, 2]) {
      const target = path("luks");
      await ours(`encrypt ${threads}`, target, () =>
        encryptImage(raw, { format, target, threads }),
      );
    }
    const peerDecrypt = await peerMs(1, "qemu-img", () => {
      rmSync(path("back"), { force: true });
      return ["convert", ...secret, "--image-opts", luksSource, "-O", "raw", path("back")];
    });
    sample("qemu decrypt", peerDecrypt);
    for (const threads of [1, 2]) {
      const target = path("back");
      await ours(`decrypt ${threads}`, target, () =>
        decryptImage(path("luks"), { passphrase, target, threads }),
      );
    }
    const copy = await peerMs(1, "dd", () => {
      rmSync(path("back"), { force: true });
      return ["status=none", "bs=128k", `if=${raw}`, `of=${path("back")}`];
    });
    sample("copy", copy);
  }
  for (const name of ["qemu", "luks", "back"]) rmSync(path(name), { force: true });
  return imageRows((name) => {
    const times = samples.get(name);
    return times && median(times);
  });
}

/** @param typical milliseconds for an image; undefined of what is absent */
function imageRows(typical: (name: string) => number | undefined): readonly Row[] {
  const rows: Row[] = [];
  const openssl = opensslBytesPerSecond();
  const besideOpenssl = (name: string, rate: number, bar?: number) => {
    if (openssl === undefined) return;
    const peer = `openssl speed, 4 KiB blocks: ${mib(openssl)}`;
    const ratio = rate / openssl;
    rows.push(
      bar === undefined
        ? row(name, mib(rate), { peer: `${peer}, × ${ratio.toFixed(2)}` })
        : row(name, mib(rate), { peer, verdict: atLeast(ratio, bar) }),
    );
  };
  for (const [threads, on] of [
    [1, "one thread"],
    [2, "2 threads"],
  ] as const) {
    for (const what of ["encrypt", "decrypt"] as const) {
      const ms = typical(`${what} ${threads}`) ?? Number.NaN;
      const name = `${what} an image, ${on}`;
      rows.push(besideQemu(name, ms, typical(`qemu ${what}`)));
      besideOpenssl(name, imageBytes / (ms / 1000), 0.33);
    }
  }
  besideOpenssl("the sector cipher alone, in memory", cipherBytesPerSecond());
  const copied = typical("copy");
  if (copied !== undefined) besideOpenssl("copy the file with dd", imageBytes / (copied / 1000));
  return rows;
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
  for (let run = 0; run < runs + 5 && times.length < runs; run++) {
    const list = arguments_();
    const start = performance.now();
    const { error, status } = spawnSync(command, list, { stdio: "ignore" });
    if (error) return undefined;
    if (status === 0) times.push(performance.now() - start);
  }
  return times.length > 0 ? median(times) : undefined;
}

function cipherBytesPerSecond(): number {
  const cipher = sectorCipher(parseCipher("bench", "aes-xts-plain64"), randomBytes(64), 512);
  const chunk = randomBytes(256 * 1024);
  const bytes = 128 * mebibyte;
  const times = [];
  for (let round = 0; round < 9; round++) {
    const start = performance.now();
    for (let done = 0; done < bytes; done += chunk.length) cipher.encrypt(chunk, done / 512);
    times.push(performance.now() - start);
  }
  return bytes / (median(times) / 1000);
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
