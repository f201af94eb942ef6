import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { type Image, passphrase } from "./image.ts";
import { cryptsetup } from "./judge.ts";
import { noise } from "./seal.ts";

/** `PATH` stands for the image, `DATA` for a data device apart, `NEW` for a file with a second passphrase. */
type Step = readonly string[];

const pbkdf2 = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
const argon = ["--pbkdf-force-iterations", "4", "--pbkdf-memory", "32", "--pbkdf-parallel", "1"];
const luks1 = ["luksFormat", "--type", "luks1", ...pbkdf2];
/** The smallest areas, so that it is quick. */
const small = ["--luks2-metadata-size", "16k", "--luks2-keyslots-size", "1m"];
const plainLuks2 = ["luksFormat", "--type", "luks2", "--sector-size", "512"];
const luks2 = [...plainLuks2, ...small, ...pbkdf2];

const second: Uint8Array = Buffer.from("another passphrase");

const opensSlots = new Set(["luksFormat", "luksAddKey", "luksChangeKey", "reencrypt"]);

/** What cryptsetup or its cryptographic library computes. */
const hashes = [
  "sha1",
  "sha224",
  "sha256",
  "sha384",
  "sha512",
  "sha3-224",
  "sha3-256",
  "sha3-384",
  "sha3-512",
  "ripemd160",
  "whirlpool",
  "blake2b-512",
  "blake2s-256",
  "sm3",
];

const ciphers: readonly (readonly [string, readonly number[]])[] = [
  ["aes-xts-plain64", [256, 512]],
  ["aes-xts-plain", [256, 512]],
  ["aes-xts-essiv:sha256", [256]],
  ["aes-cbc-essiv:sha256", [128, 192, 256]],
  ["aes-cbc-plain", [128, 256]],
  ["aes-cbc-plain64", [256]],
];

/** What cryptsetup leaves to the kernel. */
const kernelCiphers: readonly (readonly [string, readonly number[]])[] = [
  ["aes-xts-plain64", [384]],
  ["aes-cbc-benbi", [256]],
  ["aes-ecb", [256]],
  ["aes-xts-plain64be", [512]],
  ["aes-lrw-benbi", [256, 384]],
  ["serpent-xts-plain64", [256, 512]],
  ["serpent-cbc-essiv:sha256", [256]],
  ["twofish-xts-plain64", [256, 512]],
  ["twofish-cbc-essiv:sha256", [256]],
  ["camellia-xts-plain64", [512]],
  ["camellia-cbc-essiv:sha256", [256]],
  ["cast5-cbc-plain64", [128]],
  ["cast6-xts-plain64", [512]],
  ["blowfish-cbc-plain64", [128]],
  ["des3_ede-cbc-plain64", [192]],
  ["xchacha12,aes-adiantum-plain64", [256]],
  ["xchacha20,aes-adiantum-plain64", [256]],
];

const integrities: readonly (readonly [string, number, string])[] = [
  ["aes-xts-plain64", 512, "hmac-sha256"],
  ["aes-xts-plain64", 256, "hmac-sha512"],
  ["aes-xts-random", 512, "hmac-sha256"],
  ["aes-cbc-essiv:sha256", 256, "hmac-sha256"],
  ["aes-gcm-random", 256, "aead"],
  ["chacha20-random", 256, "poly1305"],
];

/** Disks that cryptsetup makes, in each form that it can make. */
export const madeByCryptsetup: readonly Image[] = [
  ...[luks1, luks2].flatMap((format, index) => {
    const name = `made luks${index + 1}`;
    return [
      ...hashes.map((hash) => made(`${name} hash`, hash, [[...format, "--hash", hash, "PATH"]])),
      ...formatsOf(ciphers, `${name} cipher`, format),
      ...formatsOf(kernelCiphers, `${name} cipher`, format).map(inGuest),
      ...keyFiles(`${name} key file`, format),
      made(`${name} after`, "luksAddKey", [[...format, "PATH"], addKey()]),
      made(`${name} after`, "luksKillSlot", [
        [...format, "PATH"],
        addKey(),
        ["luksKillSlot", "PATH", "1"],
      ]),
      made(`${name} after`, "luksChangeKey", [
        [...format, "PATH"],
        ["luksChangeKey", ...pbkdf2, "PATH", "NEW"],
      ]),
      {
        ...made(`${name} after`, "luksChangeKey, the new one", [
          [...format, "PATH"],
          ["luksChangeKey", ...pbkdf2, "PATH", "NEW"],
        ]),
        passphrase: second,
      },
      made(`${name} after`, "erase", [
        [...format, "PATH"],
        ["erase", "PATH"],
      ]),
      made(`${name} after`, "luksUUID", [
        [...format, "PATH"],
        ["luksUUID", "--uuid", "2b4e28ba-2fa1-41d2-883f-0016d3cca427", "PATH"],
      ]),
      {
        ...made(`${name} detached header`, "data apart", [[...format, "--header", "PATH", "DATA"]]),
        detached: true as const,
      },
      made(`${name} slot`, "number 7", [[...format, "--key-slot", "7", "PATH"]]),
      made(`${name} data offset`, "8 MiB", [[...format, "--offset", "16384", "PATH"]]),
    ];
  }),
  made("made luks1 after", "convert to LUKS2", [
    [...luks1, "PATH"],
    ["convert", "--type", "luks2", "PATH"],
  ]),
  made("made luks2 after", "convert to LUKS1", [
    [...plainLuks2, ...pbkdf2, "--hash", "sha256", "PATH"],
    ["convert", "--type", "luks1", "PATH"],
  ]),
  ...["argon2i", "argon2id"].map((kdf) =>
    made("made luks2 kdf", kdf, [[...plainLuks2, ...small, "--pbkdf", kdf, ...argon, "PATH"]]),
  ),
  made("made luks2 kdf", "argon2id, 4 lanes, 5 passes, 64 MiB", [
    [
      ...plainLuks2,
      ...small,
      ...words("--pbkdf argon2id --pbkdf-force-iterations 5 --pbkdf-memory 65536"),
      ...words("--pbkdf-parallel 4 PATH"),
    ],
  ]),
  ...["16k", "32k", "64k", "128k", "256k", "512k", "1m", "2m", "4m"].map((size) =>
    made("made luks2 header size", size, [
      [...plainLuks2, ...pbkdf2, "--luks2-metadata-size", size, "PATH"],
    ]),
  ),
  ...["256k", "1m", "8m"].map((size) =>
    made("made luks2 key slots size", size, [
      [...plainLuks2, ...pbkdf2, "--luks2-keyslots-size", size, "PATH"],
    ]),
  ),
  ...["512", "1024", "2048", "4096"].map((size) =>
    made("made luks2 sector size", size, [
      ["luksFormat", "--type", "luks2", ...small, ...pbkdf2, "--sector-size", size, "PATH"],
    ]),
  ),
  ...integrities.map(([cipher, bits, integrity]) =>
    inGuest(
      made("made luks2 integrity", `${integrity} under ${cipher}`, [
        [
          ...luks2,
          ...words(`--cipher ${cipher} --key-size ${bits} --integrity ${integrity}`),
          ...words("--integrity-no-wipe PATH"),
        ],
      ]),
    ),
  ),
  made("made luks2 names", "label and subsystem", [
    [...luks2, "--label", "Sauvegarde ü", "--subsystem", "x", "PATH"],
  ]),
  made("made luks2 names", "config --label", [
    [...luks2, "PATH"],
    ["config", "--label", "x", "PATH"],
  ]),
  made("made luks2 slot cipher", "aes-cbc-essiv:sha256", [
    [...luks2, "--keyslot-cipher", "aes-cbc-essiv:sha256", "--keyslot-key-size", "256", "PATH"],
  ]),
  made("made luks2 slot cipher", "aes-xts-plain64 of 256 bits", [
    [...luks2, "--keyslot-cipher", "aes-xts-plain64", "--keyslot-key-size", "256", "PATH"],
  ]),
  ...["ignore", "normal", "prefer"].map((priority) =>
    made("made luks2 priority", priority, [
      [...luks2, "PATH"],
      addKey(),
      ["config", "--priority", priority, "--key-slot", "1", "PATH"],
    ]),
  ),
  ...[128, 256, 512].map((bits) =>
    made("made luks2 unbound slot", `${bits} bits`, [
      [...luks2, "PATH"],
      ["luksAddKey", ...pbkdf2, "--unbound", "--key-size", String(bits), "PATH", "NEW"],
    ]),
  ),
  {
    ...made("made luks2 unbound slot", "its passphrase", [
      [...luks2, "PATH"],
      ["luksAddKey", ...pbkdf2, "--unbound", "--key-size", "512", "PATH", "NEW"],
    ]),
    passphrase: second,
  },
  made("made luks2 token", "luks2-keyring", [
    [...luks2, "PATH"],
    ["token", "add", "--key-description", "nobody:nothing", "PATH"],
  ]),
  made("made luks2 re-encryption", "begun", [[...luks2, "PATH"], reencrypt()]),
  ...["checksum", "journal", "none"].map((resilience) =>
    made("made luks2 re-encryption", `begun, ${resilience}`, [
      [...luks2, "PATH"],
      [...reencrypt().slice(0, -1), "--resilience", resilience, "PATH"],
    ]),
  ),
  made("made luks2 re-encryption", "done", [
    [...luks2, "PATH"],
    ["reencrypt", "--force-offline-reencrypt", ...pbkdf2, "PATH"],
  ]),
  made("made luks2 re-encryption", "encryption begun", [
    [
      ...words("reencrypt --encrypt --init-only --type luks2 --force-offline-reencrypt"),
      ...words("--sector-size 512 --reduce-device-size 8m"),
      ...pbkdf2,
      "PATH",
    ],
  ]),
  {
    ...made("made luks2 re-encryption", "decryption begun", [
      [...luks2, "--header", "PATH", "DATA"],
      words("reencrypt --decrypt --init-only --force-offline-reencrypt --header PATH DATA"),
    ]),
    detached: true,
  },
];

function words(text: string): string[] {
  return text.split(" ");
}

function reencrypt(): string[] {
  return ["reencrypt", "--init-only", "--force-offline-reencrypt", ...pbkdf2, "PATH"];
}

function addKey(): Step {
  return ["luksAddKey", ...pbkdf2, "PATH", "NEW"];
}

function formatsOf(table: typeof ciphers, field: string, format: readonly string[]): Image[] {
  return table.flatMap(([cipher, lengths]) =>
    lengths.map((bits) =>
      made(field, `${cipher}, ${bits} bits`, [
        [...format, "--cipher", cipher, "--key-size", String(bits), "PATH"],
      ]),
    ),
  );
}

/** Passphrases of each kind, from a file: cryptsetup takes a file's bytes as they are. */
function keyFiles(field: string, format: readonly string[]): Image[] {
  const kinds: readonly (readonly [string, Uint8Array])[] = [
    ["1 byte", Buffer.from("x")],
    ["a line end behind", Buffer.from("passphrase\n")],
    ["only a line end", Buffer.from("\n")],
    ["lines", Buffer.from("pass\r\nphrase\n\n")],
    ["a NUL inside", Buffer.from("pass\0phrase")],
    ["no UTF-8", Buffer.from("\xff\xfe\x80", "latin1")],
    ...[511, 512, 513, 2048, 4096, 1 << 20].map((length): [string, Uint8Array] => [
      `${length} bytes`,
      noise("key file", length),
    ]),
  ];
  return kinds.map(([value, secret]) => ({
    ...made(field, value, [[...format, "PATH"]], secret),
    passphrase: secret,
  }));
}

function inGuest(image: Image): Image {
  return { ...image, inGuest: true };
}

/** Each step is given the passphrase on standard input. */
function made(
  field: string,
  value: string,
  steps: readonly Step[],
  secret: Uint8Array = passphrase,
): Image {
  return {
    field,
    value,
    kind: "valid",
    write: async (path) => {
      const places: Readonly<Record<string, string>> = {
        PATH: path,
        DATA: `${path}.data`,
        NEW: `${path}.new`,
      };
      for (const place of [path, `${path}.data`]) {
        rmSync(place, { force: true });
        writeFileSync(place, "");
        truncateSync(place, 32 << 20);
      }
      writeFileSync(`${path}.new`, second);
      for (const step of steps) {
        const filled = step.map((word) => places[word] ?? word);
        const args = opensSlots.has(step[0] ?? "") ? [...filled, "--key-file", "-"] : filled;
        const { status, stderr } = await cryptsetup(args, secret);
        if (status !== 0) throw new Error(`${field}: ${value}: ${step[0]}: ${stderr.trim()}`);
      }
    },
  };
}
