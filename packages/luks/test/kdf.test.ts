import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { deriveArgon2Plain } from "../src/crypto/argon2.ts";
import { deriveArgon2Wasm, deriveKey, type KdfSpec, requireMemory } from "../src/crypto/kdf.ts";
import { addKeyslot } from "../src/header/keyslots.ts";
import { changeMetadata, hostileDisk, owner } from "./hostile-disk.ts";
import { luksError, passphrase, scratchPath } from "./scratch.ts";

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("PBKDF2", () => {
  const vectors: [string, "sha1" | "sha256", number, string][] = [
    ["RFC 6070, 1", "sha1", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"],
    ["RFC 6070, 2", "sha1", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"],
    ["RFC 6070, 3", "sha1", 4096, "4b007901b765489abead49d926f721d065a429c1"],
    [
      "RFC 7914, section 11",
      "sha256",
      1,
      "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc" +
        "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
    ],
  ];
  for (const [name, hash, iterations, expected] of vectors) {
    it(name, async () => {
      const rfc7914 = name.startsWith("RFC 7914");
      const [password, salt] = rfc7914 ? ["passwd", "salt"] : ["password", "salt"];
      const derived = await deriveKey(
        { type: "pbkdf2", hash, iterations },
        passphrase(password),
        passphrase(salt),
        expected.length / 2,
      );
      assert.equal(hexOf(derived), expected);
    });
  }
});

describe("a derivation that needs more memory than there is", () => {
  it("is refused before the kernel ends the process for it", () => {
    const spec = { type: "argon2id", passes: 4, memoryKiB: 1_048_576, lanes: 1 } as const;
    requireMemory(spec, 2 ** 30);
    assert.throws(
      () => requireMemory(spec, 2 ** 30 - 1),
      (error: Error) => {
        assert.match(error.message, /argon2id needs 1048576 KiB of memory/);
        return luksError("too_costly")(error);
      },
    );
  });

  it("says so where the process has a limit, and the other key slots are tried", async () => {
    const disk = await hostileDisk(() => {});
    const two = { passphrase: passphrase("another key of 16 bytes"), entropyBits: 128 };
    await addKeyslot(disk, owner.passphrase, two);
    const path = scratchPath();
    const { href } = new URL("../src/header/unlock.ts", import.meta.url);
    const script = `
      import { readFileSync } from "node:fs";
      import { testPassphrase } from "${href}";
      const [path, one, two] = process.argv.slice(1);
      console.log(await testPassphrase(path, Buffer.from(two)));
      await testPassphrase(path, Buffer.from(one)).catch(({ code, message }) => console.log(code, message));
      console.log(readFileSync("/proc/self/status", "utf8"));
    `;
    const texts = [owner.passphrase, two.passphrase].map((bytes) => Buffer.from(bytes).toString());
    const run = (limit: string) => {
      writeFileSync(path, disk.bytes);
      const node = [process.execPath, "--input-type=module", "-e", script, path, ...texts];
      const args = ["-c", `ulimit -v ${limit}; exec "$@"`, "sh", ...node];
      return spawnSync("sh", args, { encoding: "utf8" }).stdout;
    };
    const usualKiB = Number(/^VmPeak:\s+(\d+)/m.exec(run("unlimited"))?.[1]);
    await changeMetadata(disk, ({ keyslots }) => {
      const { salt } = keyslots["0"].kdf;
      keyslots["0"].kdf = { type: "argon2id", salt, time: 4, memory: 1_048_576, cpus: 1 };
    });
    assert.match(
      run(String(usualKiB + 400_000)),
      /^1\ntoo_costly test passphrase \S+: key slot 0: derive key: argon2id needs 1048576 KiB of memory/,
    );
    assert.ok(readFileSync(path).equals(disk.bytes));
  });
});

describe("argon2", () => {
  // The reference implementation's own test vectors, version 0x13: phc-winner-argon2, src/test.c.
  const vectors: [KdfSpec & { type: "argon2i" | "argon2id" }, string][] = [
    [
      { type: "argon2i", passes: 2, memoryKiB: 65536, lanes: 1 },
      "c1628832147d9720c5bd1cfd61367078729f6dfb6f8fea9ff98158e0d7816ed0",
    ],
    [
      { type: "argon2id", passes: 2, memoryKiB: 65536, lanes: 1 },
      "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
    ],
  ];
  const [password, salt] = [passphrase("password"), passphrase("somesalt")];
  for (const [spec, expected] of vectors) {
    it(`${spec.type}, reference vectors`, async () => {
      assert.equal(hexOf(await deriveKey(spec, password, salt, 32)), expected);
    });
    it(`${spec.type}, reference vectors, in WebAssembly`, async () => {
      assert.equal(hexOf(await deriveArgon2Wasm(spec, password, salt, 32)), expected);
    });
  }

  it("is the same in WebAssembly with several lanes", async () => {
    const spec = { type: "argon2id", passes: 4, memoryKiB: 1024, lanes: 4 } as const;
    const own = await deriveArgon2Wasm(spec, password, salt, 64);
    assert.equal(hexOf(own), hexOf(await deriveKey(spec, password, salt, 64)));
  });

  for (const spec of [
    { type: "argon2id", passes: 1, memoryKiB: 32, lanes: 4 },
    { type: "argon2id", passes: 4, memoryKiB: 1027, lanes: 3 },
    { type: "argon2i", passes: 4, memoryKiB: 1100, lanes: 2 },
    { type: "argon2i", passes: 1, memoryKiB: 4096, lanes: 1 },
  ] as const) {
    it(`is the same in our own code, which knows the empty password: ${Object.values(spec).join(" ")}`, async () => {
      for (const length of [16, 32, 64, 100]) {
        const own = await deriveArgon2Plain(spec, password, salt, length);
        assert.equal(hexOf(own), hexOf(await deriveArgon2Wasm(spec, password, salt, length)));
      }
    });
  }

  it("takes an empty password", async () => {
    const spec = { type: "argon2id", passes: 4, memoryKiB: 64, lanes: 4 } as const;
    const own = await deriveKey(spec, new Uint8Array(), salt, 32);
    assert.equal(hexOf(own), hexOf(await deriveArgon2Plain(spec, new Uint8Array(), salt, 32)));
    assert.notEqual(hexOf(own), hexOf(await deriveKey(spec, passphrase("\0"), salt, 32)));
  });
});

describe("key derivation", () => {
  it("refuses what costs more than the limits, at once", async () => {
    const costly: KdfSpec[] = [
      { type: "pbkdf2", hash: "sha256", iterations: 2 ** 32 - 1 },
      { type: "argon2id", passes: 4, memoryKiB: 4 * 1024 * 1024, lanes: 4 },
      { type: "argon2i", passes: 2 ** 31, memoryKiB: 1024, lanes: 1 },
    ];
    for (const spec of costly) {
      await assert.rejects(
        deriveKey(spec, passphrase("x"), passphrase("saltsalt"), 32),
        luksError("too_costly"),
      );
    }
  });
});
