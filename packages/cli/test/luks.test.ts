import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { forge, killAtTheEnd } from "../../volumes/test/forge.ts";
import { progressLines } from "../src/terminal/progress-bar.ts";
import { Session } from "./session.ts";

const folder = mkdtempSync(join(tmpdir(), "cli-luks-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string) => join(folder, name);
writeFileSync(file("one"), "00112233445566778899aabbccddeeff");
writeFileSync(file("two"), "ffeeddccbbaa99887766554433221100");
const one = ["--passphrase-file", file("one")];
const full = ["--entropy-bits", "128"];
const toTwo = ["--new-passphrase-file", file("two"), ...full];
const two = ["--passphrase-file", file("two")];
const session = new Session();
const luks = (...arguments_: string[]) => session.run("luks", ...arguments_);

function blank(name: string): string {
  writeFileSync(file(name), "");
  truncateSync(file(name), 17 << 20);
  return file(name);
}

async function says(expected: string | RegExp, ...arguments_: string[]): Promise<string> {
  const { code, out, error } = await luks(...arguments_);
  assert.equal(error, "");
  assert.equal(code, 0);
  if (typeof expected === "string") assert.equal(out, expected);
  else assert.match(out, expected);
  return out;
}

describe("chatelaine luks", () => {
  it("formats, shows and changes slots and tokens", async () => {
    const disk = blank("disk");
    await says(
      /^uuid {7}[\da-f-]{36}\nkey slots {2}0\n$/,
      "format",
      disk,
      ...one,
      ...full,
      "--label",
      "d1",
    );
    const dump = await says(/Version +2\n/, "dump", disk);
    for (const part of [
      /Label +d1\n/,
      /\tcipher +aes-xts-plain64\n/,
      / {2}0: luks2\n/,
      /\tPBKDF +pbkdf2\n/,
    ]) {
      assert.match(dump, part);
    }
    const parsed: unknown = JSON.parse(await says(/./, "dump", disk, "--json"));
    assert.equal((parsed as { label: string }).label, "d1");
    await says("added key slot 1\n", "slots", "add", disk, ...one, ...toTwo);
    await says("key slot 1 opens\n", "slots", "test", disk, ...two);
    await says("killed key slot 0\n", "slots", "kill", disk, "0");
    assert.equal((await luks("slots", "kill", disk, "1")).code, 6);
    await says("key slot 1: prefer\n", "slots", "priority", disk, "1", "prefer");
    await says(/^1 {5}prefer /m, "slots", "list", disk);
    assert.equal((await luks("slots", "priority", disk, "1", "first")).code, 2);
    await says("key slot 1: normal\n", "slots", "priority", disk, "1", "normal");
    assert.equal((await luks("slots", "test", disk, ...one)).code, 12);
    await says(
      "changed key slot 1\n",
      "slots",
      "change",
      disk,
      ...two,
      "--new-passphrase-file",
      file("one"),
      ...full,
    );
    await says(/^slot {2}priority {2}derivation\n1 {5}normal {4}pbkdf2\n$/, "slots", "list", disk);
    writeFileSync(file("token"), JSON.stringify({ type: "x", keyslots: ["1"] }));
    await says("added token 0\n", "token", "add", disk, file("token"));
    await says(/0 {6}x {5}1\n/, "token", "list", disk);
    await says("removed token 0\n", "token", "remove", disk, "0");
  });

  it("never formats what holds something, unless it may be destroyed", async () => {
    const disk = blank("full");
    writeFileSync(disk, Buffer.concat([Buffer.from("data"), readFileSync(disk).subarray(4)]));
    const refused = await luks("format", disk, ...one, ...full);
    assert.equal(refused.code, 6);
    assert.match(refused.error, /holds data \(unrecognised\)/);
    await says(/uuid/, "format", disk, ...one, ...full, "--allow-destroying-data", "unrecognised");
  });

  it("backs a header up, restores and repairs it", async () => {
    const disk = blank("saved");
    await says(/uuid/, "format", disk, ...one, ...full);
    await says(/backed up/, "backup", disk, file("header"));
    assert.equal(statSync(file("header")).mode & 0o777, 0o600);
    await says(/changed/, "slots", "change", disk, ...one, ...toTwo);
    await says(/restored/, "restore", disk, file("header"));
    await says(/slot 0 opens/, "slots", "test", disk, ...one);
    await says("nothing to repair\n", "repair", disk);
  });

  it("changes nothing on a disk that was LUKS once, until it is told which reading holds", async () => {
    const disk = blank("former");
    await says(/uuid/, "format", disk, ...one, ...full);
    const bytes = readFileSync(disk);
    bytes.fill(0, 0, 4096).write("LABELONE", 512);
    writeFileSync(disk, bytes);
    const attempts = [
      ["slots", "add", disk, ...one, ...toTwo],
      ["repair", disk],
      ["decrypt", disk, ...one],
      ["repair", disk, "--over", "ext"],
    ];
    for (const attempt of attempts) {
      const { code, error } = await luks(...attempt);
      assert.equal(code, 6);
      assert.match(
        error,
        /it holds lvm at byte 512, and LUKS2 of UUID .* byte 16384 alone is whole/,
      );
      assert.ok(
        error.includes(`run "chatelaine luks repair ${disk} --over lvm", else "--over luks"`),
      );
      assert.ok(readFileSync(disk).equals(bytes));
    }
    await says("repaired the header\n", "repair", disk, "--over", "lvm");
    await says(/slot 0 opens/, "slots", "test", disk, ...one);
    writeFileSync(disk, bytes);
    await says("erased the old LUKS header\n", "repair", disk, "--over", "luks");
    assert.equal((await luks("dump", disk)).code, 11);
    assert.ok(readFileSync(disk).includes("LABELONE"));
  });

  it("encrypts, re-encrypts and decrypts an image", async () => {
    const content = Buffer.from("0123456789abcdef".repeat(65_536));
    writeFileSync(file("raw"), content);
    await says(/done/, "encrypt", file("raw"), ...one, ...full);
    await says(/slot 0 opens/, "slots", "test", file("raw"), ...one);
    await says(/done/, "reencrypt", file("raw"), ...one, ...toTwo);
    await says(/done/, "decrypt", file("raw"), ...two, "--output", file("back"));
    assert.ok(readFileSync(file("back")).equals(content));
    await says(/done/, "decrypt", file("raw"), ...two);
    assert.ok(readFileSync(file("raw")).equals(content));
  });

  it("never calls a resumption done that found nothing", async () => {
    const image = blank("whole");
    const nothing = `nothing to resume: no interrupted operation in ${image}.chatelaine\n`;
    await says(nothing, "resume", image, ...two);
    assert.match(await says(/./, "resume", image, ...two, "--json"), /"resumed":\s*false/);
    const gone = await luks("resume", file("gone"), ...two);
    assert.match(gone.error, /resume .*gone: no such file or device$/m);
    assert.equal(gone.code, 2);
    const misspelled = await luks("resume", image, "--journal", file("jounral"), ...two);
    assert.match(
      misspelled.error,
      /no such folder: .*jounral: give the journal of the operation with/,
    );
    assert.equal(misspelled.code, 2);
  });

  it("resumes a re-encryption that cryptsetup was killed at the end of, and cannot finish", async () => {
    const disk = blank("killed");
    await says(/./, "format", disk, ...one, ...full);
    await forge(disk, killAtTheEnd);
    const refused = await luks("slots", "test", disk, ...one);
    assert.match(refused.error, /all data has the new key: run "chatelaine luks resume /);
    const wrong = await luks("resume", disk, ...two);
    assert.match(wrong.error, /no key slot opens with this passphrase/);
    await says(`reencrypt: done, ${disk}\n`, "resume", disk, ...one);
    await says(/slot 0 opens/, "slots", "test", disk, ...one);
  });

  it("leaves a folder alone that is no journal", async () => {
    const image = blank("whole");
    const papers = file("papers");
    mkdirSync(papers);
    writeFileSync(join(papers, "thesis"), "precious");
    await says(/^nothing to resume/, "resume", image, "--journal", papers, ...two);
    assert.equal(readFileSync(join(papers, "thesis"), "utf8"), "precious");
  });

  it("converts an image, in place and into a new file", async () => {
    const content = Buffer.from("fedcba9876543210".repeat(65_536));
    writeFileSync(file("kind"), content);
    await says(/done/, "encrypt", file("kind"), ...one, ...full, "--sector-size", "4096");
    const cipher = ["--luks1", "--cipher", "aes-cbc-essiv:sha256"];
    const journal = ["--journal", file("journal")];
    await says(/done/, "convert", file("kind"), ...one, ...toTwo, ...cipher, ...journal);
    await says(/Version +1\n[^]*cipher +aes-cbc-essiv:sha256\n/, "dump", file("kind"));
    await says(/done/, "convert", file("kind"), ...two, ...full, "--output", file("kind2"));
    await says(/Version +2\n/, "dump", file("kind2"));
    await says(/done/, "decrypt", file("kind2"), ...two, ...journal);
    assert.ok(readFileSync(file("kind2")).equals(content));
    const refused = await luks("convert", file("kind"), ...two, "--luks1", "--sector-size", "512");
    assert.match(refused.error, /LUKS1 has sectors of 512 bytes/);
  });

  it("keeps tokens, flags and unknown members of others; LUKS1 loses them only where told so", async () => {
    const disk = file("others");
    writeFileSync(disk, Buffer.alloc(1 << 20, "content"));
    await says(/done/, "encrypt", disk, ...one, ...full);
    await forge(disk, ({ config }) => {
      config["flags"] = ["allow-discards"];
    });
    const token = '{"type":"of-another","keyslots":["0"],"serial":9007199254740993,"float":1.0}';
    writeFileSync(file("of-another"), `${token}\n`);
    await says("added token 0\n", "token", "add", disk, file("of-another"));
    await says("added key slot 1\n", "slots", "add", disk, ...one, ...toTwo);
    await says(
      `reencrypt: done, ${disk}; removed key slots: 1\n`,
      "reencrypt",
      disk,
      ...one,
      ...full,
    );
    assert.ok(readFileSync(disk).subarray(0, 16_384).includes(token));
    await says(/Flags +allow-discards\n/, "dump", disk);
    const convert = ["convert", disk, ...one, ...full, "--luks1"];
    const refused = await luks(...convert);
    assert.equal(refused.code, 8);
    assert.match(refused.error, /LUKS1 cannot hold what its header has \(flags, tokens\)/);
    await says(/done/, ...convert, "--allow-losing", "flags", "tokens");
    assert.equal((await luks(...convert, "--allow-losing", "everything")).code, 2);
  });

  it("warns of a key slot that it ignores, and shows one that is not bound to the data", async () => {
    const disk = blank("ignored");
    await says(/uuid/, "format", disk, ...one, ...full);
    await says("added key slot 1\n", "slots", "add", disk, ...one, ...toTwo);
    await says("added key slot 2\n", "slots", "add", disk, ...one, ...toTwo);
    await forge(disk, ({ keyslots, digests }) => {
      (keyslots["1"] ?? {})["kdf"] = { type: "balloon", space: 7 };
      const [bound] = Object.values(digests);
      digests["1"] = { ...bound, keyslots: ["2"], segments: [] };
      (bound ?? {})["keyslots"] = ["0", "1"];
    });
    const warning = 'key slot 1 is ignored: unknown key derivation "balloon"';
    const dump = await says(/ {2}2: luks2 \(unbound\)\n/, "dump", disk);
    assert.ok(dump.includes(`\nWarnings:\n  ${warning}\n`), dump);
    assert.match(dump, /\tPBKDF +balloon \(unsupported\)\n/);
    const shown = JSON.parse(await says(/./, "dump", disk, "--json")) as { warnings: string[] };
    assert.deepEqual(shown.warnings, [warning]);
    await says(/^1 +normal +balloon \(unsupported\)$/m, "slots", "list", disk);
    assert.equal((await luks("slots", "test", disk, ...two)).code, 12);
    assert.equal((await luks("slots", "kill", disk, "0")).code, 6);
  });

  it("shows no key material of a slot that holds the state of a re-encryption", async () => {
    const disk = blank("under-way");
    await says(/uuid/, "format", disk, ...one, ...full);
    await forge(disk, ({ keyslots, config }) => {
      const area = { type: "checksum", offset: "548864", size: "4096" };
      const how = { mode: "reencrypt", direction: "forward", priority: 0 };
      keyslots["1"] = { type: "reencrypt", key_size: 1, ...how, area };
      config["requirements"] = { mandatory: ["online-reencrypt-v2"] };
    });
    const dump = await says(/ {2}1: reencrypt/, "dump", disk);
    const [, slot = ""] = dump.split("1: reencrypt");
    assert.doesNotMatch(slot.split("Tokens:")[0] ?? "", /Cipher|AF |0 bits|: *\n\t/);
    assert.doesNotMatch(dump, /[^:] +\n/);
  });

  it("draws progress with speed and time left", () => {
    assert.deepEqual(
      progressLines({
        what: "encrypt",
        unit: "bytes",
        done: 512 << 20,
        total: 1024 ** 3,
        perSecond: 256 << 20,
      }),
      [
        "encrypt [############            ]  50 %  512 MiB of 1 GiB  256 MiB/s  2 s left",
        "encrypt  50 %  512 MiB of 1 GiB  2 s left",
        "encrypt  50 %  2 s left",
        "encrypt  50 %",
      ],
    );
  });
});
