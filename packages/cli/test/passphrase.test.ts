import assert from "node:assert/strict";
import { type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { formatLuks2, minimalKdf, testPassphrase } from "@chatelaine/luks";
import { ByteReader } from "../src/terminal/byte-reader.ts";
import type { TerminalInput } from "../src/terminal/terminal.ts";
import { Session, type Transcript } from "./session.ts";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "cli-passphrase-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
/** No slow derivation, for passphrases of 16 bytes and more. */
const cheap = ["--entropy-bits", "128"];

function file(content: Uint8Array | string): string {
  const path = join(folder, `${files++}.key`);
  writeFileSync(path, content);
  return path;
}

function blank(mebibytes = 17): string {
  const path = join(folder, `${files++}.img`);
  writeFileSync(path, "");
  truncateSync(path, mebibytes << 20);
  return path;
}

async function disk(passphrase: Uint8Array | string): Promise<string> {
  const path = blank();
  const allowEmptyPassphrase = passphrase.length === 0;
  await formatLuks2(path, {
    keyslots: [
      {
        passphrase: Buffer.from(passphrase),
        kdf: minimalKdf,
        ...(allowEmptyPassphrase && { allowEmptyPassphrase }),
      },
    ],
  });
  return path;
}

/** Standard input of a process whose writer writes these pieces and closes it. */
function piped(...pieces: readonly string[]): TerminalInput {
  async function* bytes(): AsyncIterable<Uint8Array> {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  return { bytes: new ByteReader(bytes()), isFile: false };
}

/** A person who types; says whether what is typed would have been shown. */
function typed(keys: string): TerminalInput & { readonly modes: boolean[] } {
  const modes: boolean[] = [];
  return { ...piped(keys), modes, setRawMode: (isRaw) => void modes.push(isRaw) };
}

const luks = (input: TerminalInput | undefined, ...words: string[]): Promise<Transcript> =>
  new Session({ input }).run("luks", ...words);

async function opens(result: Promise<Transcript>, slot = 0): Promise<void> {
  const { code, out, error } = await result;
  assert.deepEqual([code, out], [0, `key slot ${slot} opens\n`], error);
}

async function isRefused(result: Promise<Transcript>, code: number, why: RegExp): Promise<void> {
  const { code: found, error, out } = await result;
  assert.deepEqual([found, out], [code, ""], error);
  assert.match(error, why);
}

describe("a key file", () => {
  for (const size of [1, 512, 513, 2048, 4096, 1 << 20, 8 << 20]) {
    it(`of ${size} bytes opens the disk that it was made for`, async () => {
      const key = Buffer.alloc(size, "newlines\n and \0 are bytes as others are");
      const keyFile = ["--passphrase-file", file(key)];
      const made = blank();
      const entropy = size < 16 ? [] : cheap;
      assert.equal((await luks(undefined, "format", made, ...keyFile, ...entropy)).code, 0);
      assert.equal(await testPassphrase(made, key), 0);
      await opens(luks(undefined, "slots", "test", made, ...keyFile));
    });
  }

  it("of more than 8 MiB is refused, unless a part of it is named", async () => {
    const key = Buffer.alloc((8 << 20) + 1, "x");
    key.write("secret", 7 << 20);
    const path = await disk("secret");
    const keyFile = ["--passphrase-file", file(key)];
    await isRefused(luks(undefined, "slots", "test", path, ...keyFile), 2, /more than 8 MiB/);
    const part = ["--passphrase-offset", String(7 << 20), "--passphrase-size", "6"];
    await opens(luks(undefined, "slots", "test", path, ...keyFile, ...part));
  });

  it("is read from an offset on, and up to a size; by cryptsetup's names of the options, too", async () => {
    const path = await disk("secret");
    const keyFile = ["--passphrase-file", file("12345secret678")];
    for (const name of ["passphrase", "keyfile"]) {
      const part = [`--${name}-offset`, "5", `--${name}-size`, "6"];
      await opens(luks(undefined, "slots", "test", path, ...keyFile, ...part));
      const added = await luks(
        piped("secret"),
        "slots",
        "add",
        path,
        "--passphrase-file",
        "-",
        "--new-passphrase-file",
        file("12345another of 20 bytes678"),
        `--new-${name}-offset`,
        "5",
        `--new-${name}-size`,
        "19",
        ...cheap,
      );
      assert.equal(added.code, 0, added.error);
      await opens(luks(piped("another of 20 bytes\n"), "slots", "test", path), 1);
      assert.equal((await luks(undefined, "slots", "kill", path, "1")).code, 0);
    }
    const test = ["slots", "test", path, ...keyFile];
    await isRefused(luks(undefined, ...test, "--passphrase-size", "15"), 2, /it has 14 bytes, and/);
    await isRefused(
      luks(undefined, ...test, "--passphrase-offset", "15"),
      2,
      /ends before byte 15/,
    );
    await isRefused(luks(undefined, ...test, "--passphrase-size", "0"), 2, /from 1 to 8388608/);
    await isRefused(luks(undefined, ...test, "--passphrase-offset", "-1"), 2, /a number of bytes/);
    const alone = luks(piped("x"), "slots", "test", path, "--passphrase-offset", "1");
    await isRefused(alone, 2, /an offset or a size of a passphrase needs --passphrase-file/);
  });

  it("that is empty opens a disk with an empty passphrase, and makes none unless told to", async () => {
    const empty = ["--passphrase-file", file("")];
    const made = blank();
    await isRefused(luks(undefined, "format", made, ...empty), 2, /passphrase: is empty/);
    const allowed = await luks(undefined, "format", made, ...empty, "--allow-empty-passphrase");
    assert.equal(allowed.code, 0, allowed.error);
    await opens(luks(undefined, "slots", "test", made, ...empty));
    await opens(luks(piped("\n"), "slots", "test", made));
    // It was empty before: nothing gets weaker.
    const kept = await luks(undefined, "reencrypt", made, ...empty);
    assert.equal(kept.code, 0, kept.error);
    const raw = file(Buffer.alloc(1 << 20));
    await isRefused(luks(undefined, "encrypt", raw, ...empty), 2, /passphrase: is empty/);
  });

  it("that is not there is named", async () => {
    const path = await disk("secret");
    const missing = join(folder, "missing");
    const test = luks(undefined, "slots", "test", path, "--passphrase-file", missing);
    await isRefused(test, 13, /read passphrase from .*missing: ENOENT/);
  });
});

describe("a passphrase on standard input", () => {
  it("ends at the first newline, or with the input", async () => {
    const path = await disk("secret");
    for (const input of [["secret"], ["secret\n"], ["sec", "ret", "\nmore\n"], ["secret\n\n"]]) {
      await opens(luks(piped(...input), "slots", "test", path));
    }
    const wrong = await luks(piped("secret\r\n"), "slots", "test", path);
    assert.equal(wrong.code, 12, wrong.error);
  });

  it("is all of it with -, newlines included", async () => {
    const path = await disk("secret\nmore\n");
    await opens(luks(piped("secret\nm", "ore\n"), "slots", "test", path, "--passphrase-file", "-"));
    const line = await luks(piped("secret\nmore\n"), "slots", "test", path);
    assert.equal(line.code, 12, line.error);
    const offset = ["--passphrase-file", "-", "--passphrase-offset", "3", "--passphrase-size", "6"];
    const other = await disk("secret");
    await opens(luks(piped("12", "3sec", "ret456"), "slots", "test", other, ...offset));
  });

  it("is refused when nothing came", async () => {
    const path = await disk("");
    const none = /it ended before a passphrase came/;
    await isRefused(luks(piped(), "slots", "test", path), 2, none);
    await isRefused(luks(piped(), "slots", "test", path, "--passphrase-file", "-"), 2, none);
    await isRefused(luks(undefined, "slots", "test", path), 2, /give --passphrase-file/);
  });

  for (const [command, ...more] of [["reencrypt"], ["convert", "--luks1"]] as const) {
    for (const words of [[], ["--passphrase-file", "-"]]) {
      it(`is read once by ${command} ${words.join(" ")}, and used twice`, async () => {
        const path = await disk("secret of 20 letters");
        const done = await luks(
          piped("secret of 20 letters"),
          command,
          path,
          ...words,
          ...more,
          ...cheap,
        );
        assert.equal(done.code, 0, done.error);
        assert.equal(await testPassphrase(path, Buffer.from("secret of 20 letters")), 0);
      });
    }
  }

  it("is read once by resume, and used twice", async () => {
    const path = await disk("secret");
    const done = await luks(piped("secret"), "resume", path, "--passphrase-file", "-");
    assert.equal(done.code, 0, done.error);
  });

  it("is followed by the new one, on the next line or behind so many bytes", async () => {
    const path = await disk("secret");
    const lines = await luks(
      piped("secret\nnew with 16 bytes\n"),
      "slots",
      "change",
      path,
      ...cheap,
    );
    assert.equal(lines.code, 0, lines.error);
    const both = [
      "--passphrase-file",
      "-",
      "--passphrase-size",
      "17",
      "--new-passphrase-file",
      "-",
    ];
    const bytes = await luks(
      piped("new with 16 bytesnewer with 18 bytes"),
      "slots",
      "change",
      path,
      ...both,
      ...cheap,
    );
    assert.equal(bytes.code, 0, bytes.error);
    await opens(luks(piped("newer with 18 bytes"), "slots", "test", path));
    await isRefused(
      luks(piped("newer with 18 bytes\n"), "slots", "change", path, ...cheap),
      2,
      /give --new-passphrase-file/,
    );
  });

  it("may be a token", async () => {
    const path = await disk("secret");
    const token = JSON.stringify({ type: "x", keyslots: ["0"] });
    const added = await luks(piped(token.slice(0, 5), token.slice(5)), "token", "add", path, "-");
    assert.deepEqual([added.code, added.out], [0, "added token 0\n"], added.error);
  });
});

describe("a passphrase that a person types", () => {
  it("is asked for, not shown, and can be corrected", async () => {
    const path = await disk("größe");
    const input = typed("x\u0015gröé\u007fße\n");
    const { code, out, error } = await luks(input, "slots", "test", path);
    assert.deepEqual([code, out], [0, "key slot 0 opens\n"], error);
    assert.equal(error, `passphrase for ${path}: \n`);
    assert.deepEqual(input.modes, [true, false]);
    await opens(luks(typed("größe\r"), "slots", "test", path, "--passphrase-file", "-"));
  });

  it("is asked for twice when it is new", async () => {
    const path = blank();
    const differ = luks(typed("one\nother\n"), "format", path);
    await isRefused(differ, 2, /new passphrase for .*: the two are not the same\n$/);
    const made = await luks(
      typed("one with 16 bytes\none with 16 bytes\n"),
      "format",
      path,
      ...cheap,
    );
    assert.equal(made.code, 0, made.error);
    const changed = await luks(
      typed("one with 16 bytes\ntwo with 16 bytes\ntwo with 16 bytes\n"),
      "slots",
      "change",
      path,
      ...cheap,
    );
    assert.equal(changed.code, 0, changed.error);
    await opens(luks(typed("two with 16 bytes\n"), "slots", "test", path));
  });

  it("has at most 512 bytes", async () => {
    const path = await disk("x".repeat(512));
    await opens(luks(typed(`${"x".repeat(512)}\n`), "slots", "test", path));
    const input = typed(`${"x".repeat(513)}\n`);
    await isRefused(
      luks(input, "slots", "test", path),
      2,
      /more than 512 bytes: use --passphrase-file/,
    );
    assert.deepEqual(input.modes, [true, false]);
  });

  it("is given up with Ctrl-C", async () => {
    const path = await disk("secret");
    await isRefused(luks(typed("sec\u0003ret\n"), "slots", "test", path), 2, /interrupted/);
  });
});

const words = (path: string) => [main, "luks", "slots", "test", path, "--passphrase-file", "-"];

describe("the process's standard input", () => {
  const key = "secret\nof two lines";
  const environment = { PATH: process.env["PATH"], NODE_OPTIONS: process.env["NODE_OPTIONS"] };

  async function run(path: string, options: SpawnOptions, input?: string) {
    const child = spawn(process.execPath, words(path), { env: environment, ...options });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
    }
    if (input !== undefined) child.stdin?.end(input);
    const [status] = (await once(child, "close")) as [number];
    return { status, said };
  }

  it("may be a socket, as Node.js and systemd give it", async () => {
    const path = await disk(key);
    // What Node.js calls a pipe is a pair of Unix sockets.
    assert.deepEqual(await run(path, {}, key), { status: 0, said: "key slot 0 opens\n" });
  });

  it("may be a file, or a pipe", async () => {
    const path = await disk(key);
    const source = openSync(file(key), "r");
    const stdio = [source, "pipe", "pipe"] as const;
    assert.deepEqual(await run(path, { stdio: [...stdio] }), {
      status: 0,
      said: "key slot 0 opens\n",
    });
    closeSync(source);
    const script = 'printf "secret\\nof two lines" | "$0" "$@"';
    const shell = spawnSync("sh", ["-c", script, process.execPath, ...words(path)], {
      env: environment,
      encoding: "utf8",
    });
    assert.equal(shell.stdout, "key slot 0 opens\n", shell.stderr);
  });

  it("is let go after its first line, although its writer goes on", async () => {
    const path = await disk("secret");
    const child = spawn(process.execPath, [main, "luks", "slots", "test", path], {
      env: environment,
      timeout: 60_000,
    });
    child.stdin.write("secret\n");
    const [status] = (await once(child, "exit")) as [number | null];
    assert.equal(status, 0);
    child.stdin.destroy();
  });
});

// Only root can start a process as somebody else.
describe("another user's pipe", { skip: process.getuid?.() !== 0 && "needs root" }, () => {
  it("is read", async () => {
    const path = await disk("secret");
    const pipe = join(folder, "pipe");
    // Root without capabilities may not open what is nobody's: /dev/stdin, opened anew, is refused.
    const script = `mkfifo -m 600 "$0" && chown 65534 "$0" && { printf secret > "$0" & } &&
      exec setpriv --bounding-set=-all --inh-caps=-all "$@" < "$0"`;
    const { stdout, stderr } = spawnSync(
      "sh",
      ["-c", script, pipe, process.execPath, ...words(path)],
      {
        env: { PATH: process.env["PATH"], NODE_OPTIONS: process.env["NODE_OPTIONS"] },
        encoding: "utf8",
      },
    );
    assert.equal(stdout, "key slot 0 opens\n", stderr);
  });
});
