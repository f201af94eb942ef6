import { RawText, Twice } from "../../packages/luks/test/hostile/json-text.ts";
import { fieldBytes, type Luks2Draft } from "../../packages/luks/test/hostile/luks2-draft.ts";
import { honestLuks2, type Luks2Plan, luks2Disk } from "./honest-luks2.ts";
import { type Image, writeDisk } from "./image.ts";

type Json = Record<string, unknown>;
type Change = (draft: Luks2Draft) => void;

/** Where the one slot's key material lies, and how long it is. */
const [areaOffset, areaBytes] = [32_768, 131_072];
const dataOffset = 1 << 20;

/**
 * One change each to an ordinary disk, which the LUKS2 On-Disk Format 1.1 says something about, or leaves open. The
 * catalogue of hostile fields has what a stranger would write.
 */
export const luks2Changed: readonly Image[] = [
  // Section 2.1, the binary part.
  ...[0x1000, 0x2000, 0x3fff, 0x5000, 0x6000, 0x800000].map((headerSize) =>
    changed("luks2 illegal header size", String(headerSize), () => undefined, {
      headerSize,
      dataOffset: 2 * headerSize + dataOffset,
      keyslotsSize: 262_144,
    }),
  ),
  ...[0n, 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n].map((sequence) =>
    changed("luks2 sequence", String(sequence), ({ binary }) => {
      binary.sequence = sequence;
    }),
  ),
  ...["sha1", "sha224", "sha384", "sha512", "SHA256", "sha256 ", "sha-256", "none", ""].map(
    (name) =>
      changed("luks2 checksum algorithm", `"${name}"`, ({ binary }) => {
        binary.checksumAlgorithm = fieldBytes(name, 32);
      }),
  ),
  ...(["label", "subsystem"] as const).flatMap((name) =>
    [
      ["47 bytes", Buffer.alloc(47, "x")],
      ["48 bytes without a NUL", Buffer.alloc(48, "x")],
      ["bytes behind the NUL", Buffer.from("x\0y")],
      ["UTF-8", Buffer.from("Sauvegarde ü 磁盘")],
      ["no UTF-8", Buffer.from("x\xff\xfe", "latin1")],
      ["a tab", Buffer.from("a\tb")],
      ["a blank at its end", Buffer.from("x ")],
    ].map(([value, bytes]) =>
      changed(`luks2 ${name}`, String(value), ({ binary }) => {
        binary[name] = fieldOf(bytes as Buffer, 48);
      }),
    ),
  ),
  ...[
    "",
    "1b4e28ba",
    "1B4E28BA-2FA1-41D2-883F-0016D3CCA427",
    "1b4e28ba2fa141d2883f0016d3cca427",
    "00000000-0000-0000-0000-000000000000",
    "x".repeat(40),
    "no uuid",
  ].map((uuid) =>
    changed("luks2 uuid", `"${uuid}"`, ({ binary }) => {
      binary.uuid = fieldOf(Buffer.from(uuid), 40);
    }),
  ),
  ...[0, 0xff].flatMap((byte) => [
    changed("luks2 salt and padding", `salt ${byte}`, ({ binary }) => void binary.salt.fill(byte)),
    changed(
      "luks2 salt and padding",
      `padding ${byte}`,
      ({ binary }) => void binary.padding.fill(byte),
    ),
  ]),
  ...[32_768, 65_536, 1_048_575, 1_048_576, 1_048_577].map((diskBytes) =>
    changed("luks2 end of the file", String(diskBytes), () => undefined, { diskBytes }),
  ),

  // Section 3, the JSON area as text.
  ...jsonTexts(),

  // Section 3.1, config.
  ...members("config.json_size", ["12288", "012288", "12287", "12289", "0", "28672", 12_288, null]),
  ...members("config.keyslots_size", [
    "0",
    "4096",
    "131072",
    "135168",
    "1015808",
    "1019904",
    "1015807",
    "1015296",
    "134217728",
    "134221824",
    1_015_808,
  ]),
  ...members("config.flags", [
    [],
    ["allow-discards"],
    ["no-read-workqueue", "no-write-workqueue", "same-cpu-crypt", "submit-from-crypt-cpus"],
    ["no-journal"],
    ["high-priority"],
    ["a-flag-of-tomorrow"],
    ["allow-discards", "allow-discards"],
    [""],
    [1],
    [null],
    "allow-discards",
    {},
  ]),
  ...members("config.requirements", [
    {},
    { mandatory: [] },
    { mandatory: ["online-reencrypt"] },
    { mandatory: ["online-reencrypt-v2"] },
    { mandatory: ["online-reencrypt-v3"] },
    { mandatory: ["offline-reencrypt"] },
    { mandatory: ["inline-hw-tags"] },
    { mandatory: ["opal"] },
    { mandatory: ["tomorrow"] },
    { mandatory: [""] },
    { mandatory: [1] },
    { mandatory: "tomorrow" },
    { optional: ["tomorrow"] },
    [],
    "tomorrow",
  ]),
  ...members("config.of_tomorrow", ["x", { a: [1.5] }]),

  // Section 3.2, key slots.
  ...members("keyslots", [{}, [], null]),
  ...renumbered("keyslots", [
    "1",
    "7",
    "31",
    "32",
    "99",
    "00",
    "007",
    "-1",
    "1x",
    "",
    "4294967296",
  ]),
  ...members("keyslots.0.type", ["luks2", "LUKS2", "luks3", "tomorrow", "reencrypt", "", 2]),
  ...members("keyslots.0.key_size", [
    0,
    1,
    31,
    33,
    64,
    512,
    513,
    4_294_967_295,
    4_294_967_296,
    -32,
    "32",
    32.5,
    raw("32.0"),
    raw("3.2e1"),
  ]),
  ...members("keyslots.0.priority", [0, 1, 2, 3, -1, "1", 1.5, null, true]),
  ...members("keyslots.0.of_tomorrow", ["x", {}]),
  ...members("keyslots.0.af.type", ["luks2", "none", "", 1]),
  ...members("keyslots.0.af.stripes", [
    0,
    1,
    2,
    3999,
    4001,
    8000,
    65_536,
    -1,
    "4000",
    raw("4000.0"),
  ]),
  ...members("keyslots.0.af.hash", ["SHA256", "md5", "crc32", "tomorrow", "", 1]),
  ...members("keyslots.0.af.of_tomorrow", ["x"]),
  ...members("keyslots.0.area.type", ["none", "journal", "tomorrow", "", 1]),
  ...members("keyslots.0.area.offset", [
    "0",
    "4096",
    "16384",
    "32767",
    "32769",
    "33000",
    "33280",
    "36864",
    "917504",
    "917505",
    "1048576",
    "18446744073709551615",
    "18446744073709551616",
    "032768",
    "+32768",
    " 32768",
    "32768 ",
    "",
    areaOffset,
  ]),
  ...members("keyslots.0.area.size", [
    "0",
    "512",
    "4096",
    "127488",
    "128000",
    "128001",
    "131072",
    "135168",
    "1015808",
    "1015809",
    "",
    areaBytes,
  ]),
  ...members("keyslots.0.area.encryption", [
    "aes",
    "aes-",
    "aes-xts",
    "aes-xts-",
    "AES-XTS-PLAIN64",
    "aes-xts-plain64 ",
    "aes-cbc-plain64",
    "cipher_null-ecb",
    "null",
    "capi:xts(aes)-plain64",
    "aes-gcm-random",
    "",
    1,
  ]),
  ...members("keyslots.0.area.key_size", [0, 16, 31, 48, 64, 512, 513, -32, "32", raw("32.0")]),
  ...members("keyslots.0.area.of_tomorrow", ["x"]),
  ...members("keyslots.0.kdf", [{ type: "pbkdf2" }, { type: "argon2id" }, {}, [], null]),
  ...members("keyslots.0.kdf.type", ["PBKDF2", "scrypt", "argon2d", "tomorrow", "", 1]),
  ...members("keyslots.0.kdf.hash", ["SHA256", "md5", "tomorrow", "", 1]),
  ...members("keyslots.0.kdf.iterations", [0, "1000", 1000.5, raw("1000.0"), raw("1e3")]),
  ...members("keyslots.0.kdf.of_tomorrow", ["x"]),
  ...base64("keyslots.0.kdf.salt"),

  // Section 3.3, segments.
  ...members("segments", [{}, [], null]),
  ...renumbered("segments", ["1", "31", "32", "00", "-1", ""]),
  ...members("segments.0.type", ["linear", "CRYPT", "tomorrow", "", 1]),
  ...members("segments.0.offset", [
    "0",
    "512",
    "32768",
    "1048064",
    "1049088",
    "1048577",
    "2097152",
    "1099511627776",
    "9223372036854775808",
    "18446744073709551104",
    "01048576",
    "",
    dataOffset,
  ]),
  ...members("segments.0.size", [
    "512",
    "1048576",
    "1048577",
    "2097152",
    "0",
    "",
    "Dynamic",
    "9223372036854775808",
    "18446744073709551104",
    1_048_576,
  ]),
  ...members("segments.0.iv_tweak", ["1", "8", "18446744073709551615", "-1", "x", "", "00", 0]),
  ...members("segments.0.encryption", [
    "aes",
    "tomorrow-xts-plain64",
    "",
    "cipher_null-ecb",
    "null",
    1,
  ]),
  ...members("segments.0.sector_size", [
    0,
    1,
    256,
    520,
    1536,
    8192,
    65_536,
    -512,
    "512",
    raw("512.0"),
  ]),
  ...members("segments.0.flags", [
    [],
    ["backup-final"],
    ["in-reencryption"],
    ["tomorrow"],
    [1],
    "x",
  ]),
  ...members("segments.0.integrity", [
    {},
    { type: "hmac(sha256)" },
    { type: "tomorrow", journal_encryption: "none", journal_integrity: "none" },
    { type: "hmac(sha256)", journal_encryption: "aes-cbc", journal_integrity: "none" },
    { type: "hmac(sha256)", journal_encryption: "none", journal_integrity: "hmac(sha256)" },
    { type: "hmac(sha256)", journal_encryption: "none", journal_integrity: "none", key_size: 32 },
    "hmac(sha256)",
    null,
  ]),
  ...members("segments.0.of_tomorrow", ["x"]),
  ...secondSegments(),

  // Section 3.4, digests.
  ...members("digests", [{}, [], null]),
  ...renumbered("digests", ["1", "31", "32", "00", "-1", ""]),
  ...members("digests.0.type", ["PBKDF2", "argon2id", "tomorrow", "", 1]),
  ...members("digests.0.keyslots", [
    [],
    ["0", "0"],
    ["1"],
    ["0", "1"],
    ["00"],
    [0],
    "0",
    {},
    [null],
  ]),
  ...members("digests.0.segments", [
    [],
    ["0", "0"],
    ["1"],
    ["0", "1"],
    ["00"],
    [0],
    "0",
    {},
    [null],
  ]),
  ...members("digests.0.hash", ["SHA256", "md5", "tomorrow", "", 1]),
  ...members("digests.0.iterations", [0, "1000", 1000.5, raw("1000.0"), 4_294_968_296]),
  ...members("digests.0.of_tomorrow", ["x"]),
  ...base64("digests.0.salt"),
  ...base64("digests.0.digest"),
  ...secondDigests(),

  // Section 3.5, tokens.
  ...members("tokens", [{}, [], null]),
  ...renumbered("tokens", ["1", "31", "32", "00", "-1", ""]),
  ...members("tokens.0", [
    { type: "tomorrow", keyslots: [] },
    {
      type: "tomorrow",
      keyslots: ["0"],
      big: raw("9007199254740993"),
      real: raw("1.0"),
      deep: [[{}]],
    },
    { type: "luks2-keyring", keyslots: ["0"], key_description: "nobody:nothing" },
    { type: "luks2-keyring", keyslots: ["0"] },
    { type: "luks2-keyring", keyslots: ["0"], key_description: 1 },
    { type: "luks2-tomorrow", keyslots: ["0"] },
    { type: "systemd-tpm2", keyslots: ["0"], "tpm2-blob": "AA==", "tpm2-pcrs": [7] },
    { type: "clevis", keyslots: ["0"], jwe: { ciphertext: "x" } },
    { type: "", keyslots: [] },
    { type: "tomorrow" },
    { type: "tomorrow", keyslots: ["5"] },
    { type: "tomorrow", keyslots: [0] },
    { type: "tomorrow", keyslots: "0" },
    { keyslots: ["0"] },
    [],
    null,
  ]),
  changed("tokens", "32 of them", ({ json }) => {
    json["tokens"] = Object.fromEntries(
      Array.from({ length: 32 }, (_, id) => [id, { type: "tomorrow", keyslots: ["0"] }]),
    );
  }),
  ...members("of_tomorrow", ["x", {}, [1, 2.5, null, true]]),
];

/** Instead of the honest text. */
function textImage(value: string, make: (honest: string) => string | Buffer, tail = ""): Image {
  return changed("luks2 json text", value, (draft) => {
    draft.text = Buffer.from(make(JSON.stringify(draft.json)));
    draft.tail = Buffer.from(tail, "latin1");
  });
}

/** The text with so many bytes. */
function padded(honest: string, length: number): string {
  return honest.replace(/}$/, `,"of_tomorrow":"${"x".repeat(length - honest.length - 17)}"}`);
}

/** The text with a member that is so deep. */
function nested(honest: string, depth: number): string {
  return honest.replace(/}$/, `,"of_tomorrow":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`);
}

/** The text of the JSON area, and what is around it. */
function jsonTexts(): Image[] {
  const area = 0x4000 - 4096;
  return [
    textImage("indented", (honest) => JSON.stringify(JSON.parse(honest), null, 2)),
    textImage("a blank before", (honest) => ` ${honest}`),
    textImage("a byte order mark before", (honest) => `\ufeff${honest}`),
    textImage("a blank behind", (honest) => `${honest} `),
    textImage("a line end behind", (honest) => `${honest}\n`),
    textImage("a comma behind", (honest) => `${honest},`),
    textImage("a second object behind", (honest) => `${honest}{}`),
    textImage("a letter behind", (honest) => `${honest}x`),
    textImage("a byte behind the NUL", (honest) => honest, "x"),
    textImage("a byte at the area's end", (honest) => honest, `${"\0".repeat(9000)}x`),
    textImage("a blank behind the NUL", (honest) => honest, " "),
    textImage("one byte less than the area", (honest) => padded(honest, area - 1)),
    textImage("all of the area, no NUL", (honest) => padded(honest, area)),
    textImage("cut at the area's end", (honest) => padded(honest, area + 1)),
    ...[30, 31, 32, 33, 100].map((depth) =>
      textImage(`${depth} levels`, (honest) => nested(honest, depth)),
    ),
    textImage("a NUL in a text", (honest) => honest.replace("chatelaine", "chate\0laine")),
    textImage("an escaped NUL in a text", (honest) =>
      honest.replace("chatelaine", "chate\\u0000laine"),
    ),
    textImage("a letter escaped", (honest) => honest.replace('"crypt"', '"cr\\u0079pt"')),
    textImage("a name escaped", (honest) => honest.replace('"segments"', '"se\\u0067ments"')),
    textImage("half a surrogate", (honest) => honest.replace("chatelaine", "\\ud800")),
    textImage("no UTF-8", (honest) =>
      Buffer.from(honest.replace("chatelaine", "chate\xfflaine"), "latin1"),
    ),
    textImage("a line end in a text", (honest) => honest.replace("chatelaine", "chate\nlaine")),
    textImage("a tab in a text", (honest) => honest.replace("chatelaine", "chate\tlaine")),
    textImage("an unknown escape", (honest) => honest.replace("chatelaine", "chate\\qlaine")),
    textImage("a comment", (honest) => honest.replace("{", "{/* x */")),
    textImage("a line comment", (honest) => honest.replace("{", "{// x\n")),
    textImage("single quotes", (honest) => honest.replaceAll('"', "'")),
    textImage("names without quotes", (honest) => honest.replace('"config"', "config")),
    textImage("a comma before a brace", (honest) => honest.replace(/}$/, ",}")),
    textImage("a comma before a bracket", (honest) => honest.replace('["0"]', '["0",]')),
    textImage("a brace missing", (honest) => honest.slice(0, -1)),
    textImage("a brace too many", (honest) => `${honest}}`),
    textImage("a list", (honest) => `[${honest}]`),
    textImage("nothing", () => ""),
    textImage("an empty object", () => "{}"),
    textImage("no number", (honest) => honest.replace(/}$/, ',"of_tomorrow":NaN}')),
    textImage("TRUE", (honest) => honest.replace(/}$/, ',"of_tomorrow":TRUE}')),
    textImage("a number with a zero before", (honest) =>
      honest.replace('"key_size":32', '"key_size":032'),
    ),
    textImage("a hexadecimal number", (honest) =>
      honest.replace('"key_size":32', '"key_size":0x20'),
    ),
    textImage("a number with a plus", (honest) =>
      honest.replace('"key_size":32', '"key_size":+32'),
    ),
    textImage("a number beyond every range", (honest) =>
      honest.replace(/}$/, ',"of_tomorrow":1e999}'),
    ),
    ...["keyslots", "segments", "digests", "config", "tokens"].flatMap((name) => [
      changed("luks2 member twice", `${name}, then an empty one`, ({ json }) => {
        json[name] = new Twice(json[name], {});
      }),
      changed("luks2 member twice", `an empty ${name}, then the right one`, ({ json }) => {
        json[name] = new Twice({}, json[name]);
      }),
    ]),
    changed("luks2 member twice", "slot 0, then an unknown one", ({ json }) => {
      const keyslots = json["keyslots"] as Json;
      keyslots["0"] = new Twice(keyslots["0"], { type: "tomorrow" });
    }),
  ];
}

function withSegment(value: string, number: string, segment: Json, isCovered = false): Image {
  return changed("luks2 second segment", value, ({ json }) => {
    (json["segments"] as Json)[number] = segment;
    if (isCovered) entry(json, "digests")["segments"] = ["0", number];
  });
}

function linear(offset: number): Json {
  return { type: "linear", offset: String(offset), size: "512" };
}

function secondSegments(): Image[] {
  const crypt = {
    type: "crypt",
    offset: String(2 * dataOffset),
    size: "512",
    iv_tweak: "0",
    encryption: "aes-xts-plain64",
    sector_size: 512,
  };
  return [
    withSegment("linear behind", "1", linear(2 * dataOffset)),
    withSegment("linear over the first", "1", linear(dataOffset)),
    withSegment("crypt behind", "1", crypt, true),
    withSegment("crypt behind, of no digest", "1", crypt),
    withSegment("crypt behind, number 2", "2", crypt, true),
    withSegment("backup of a re-encryption", "1", { ...crypt, flags: ["backup-final"] }, true),
    withSegment("of tomorrow", "1", { type: "tomorrow", offset: "0", size: "dynamic" }),
    withSegment("of tomorrow, and more", "1", {
      type: "tomorrow",
      offset: "4096",
      size: "512",
      x: {},
    }),
  ];
}

function withDigest(value: string, change: (digest: Json, json: Json) => Json): Image {
  return changed("luks2 second digest", value, ({ json }) => {
    const first = entry(json, "digests");
    (json["digests"] as Json)["1"] = change({ ...first }, json);
  });
}

function secondDigests(): Image[] {
  return [
    withDigest("of nothing", (digest) => ({ ...digest, keyslots: [], segments: [] })),
    withDigest("of the slot, too", (digest) => ({ ...digest, segments: [] })),
    withDigest("of the segment, too", (digest) => ({ ...digest, keyslots: [] })),
    withDigest("of both, too", (digest) => digest),
    withDigest("of an unknown type", () => ({ type: "tomorrow", keyslots: [], segments: [] })),
    withDigest("of an unknown type, of the segment, too", () => ({
      type: "tomorrow",
      keyslots: [],
      segments: ["0"],
    })),
    withDigest("instead of the first for the slot", (digest, json) => {
      entry(json, "digests")["keyslots"] = [];
      return { ...digest, segments: [] };
    }),
  ];
}

/** Spellings of bytes in base64. */
function base64(path: string): Image[] {
  const spellings: Readonly<Record<string, (honest: string) => unknown>> = {
    "without padding": (honest) => honest.replaceAll("=", ""),
    "with too much padding": (honest) => `${honest}=`,
    "with a line end behind": (honest) => `${honest}\n`,
    "with a line end inside": (honest) => `${honest.slice(0, 8)}\n${honest.slice(8)}`,
    "with a blank inside": (honest) => `${honest.slice(0, 8)} ${honest.slice(8)}`,
    "with other bits left over": (honest) =>
      honest.replace(/(.)=$/, (_, last: string) => `${nextLetter(last)}=`),
    "in the alphabet for URLs": (honest) => honest.replaceAll("+", "-").replaceAll("/", "_"),
    "with a letter that is none": (honest) => `!${honest.slice(1)}`,
    "a byte less": (honest) => Buffer.from(honest, "base64").subarray(1).toString("base64"),
    "a byte more": (honest) =>
      Buffer.concat([Buffer.from(honest, "base64"), Buffer.of(0)]).toString("base64"),
    "other bytes": (honest) =>
      Buffer.alloc(Buffer.from(honest, "base64").length).toString("base64"),
    empty: () => "",
    "a number": () => 1,
  };
  return Object.entries(spellings).map(([value, spell]) =>
    changed(path, value, ({ json }) => {
      const parent = parentOf(json, path);
      const name = lastName(path);
      parent[name] = spell(String(parent[name]));
    }),
  );
}

/** The same bytes, but for bits that base64 leaves over. */
function nextLetter(letter: string): string {
  return String.fromCharCode(letter.charCodeAt(0) + 1);
}

/** The values of one member, and that there is none. */
function members(path: string, values: readonly unknown[]): Image[] {
  const missing = changed(path, "missing", ({ json }) => {
    Reflect.deleteProperty(parentOf(json, path), lastName(path));
  });
  return [
    ...values.map((value) =>
      changed(path, shown(value), ({ json }) => {
        parentOf(json, path)[lastName(path)] = value;
      }),
    ),
    ...(path.endsWith("of_tomorrow") ? [] : [missing]),
  ];
}

/** Entry 0 under another number, and all that refers to it. */
function renumbered(of: string, numbers: readonly string[]): Image[] {
  return numbers.map((number) =>
    changed(`luks2 numbers of ${of}`, `"${number}"`, ({ json }) => {
      json[of] = { [number]: entry(json, of) };
      for (const user of ["digests", "tokens"]) {
        for (const referring of Object.values(json[user] as Record<string, Json>)) {
          if (Object.hasOwn(referring, of)) referring[of] = [number];
        }
      }
    }),
  );
}

function changed(field: string, value: string, change: Change, plan: Luks2Plan = {}): Image {
  const name = field.startsWith("luks2 ") ? field : `luks2 ${field}`;
  return {
    field: name,
    value,
    kind: "changed",
    write: (path) => {
      const disk = honestLuks2(plan);
      change(disk.draft);
      writeDisk(path, luks2Disk(disk));
    },
  };
}

function parentOf(json: Json, path: string): Json {
  return path
    .split(".")
    .slice(0, -1)
    .reduce<Json>((parent, name) => parent[name] as Json, json);
}

function lastName(path: string): string {
  return path.split(".").at(-1) ?? "";
}

function entry(json: Json, of: string): Json {
  return (json[of] as Record<string, Json>)["0"] ?? {};
}

function raw(text: string): RawText {
  return new RawText(text);
}

function shown(value: unknown): string {
  if (value instanceof RawText) return `${value.text} as it is`;
  return JSON.stringify(value, (_, item: unknown) => (item instanceof RawText ? item.text : item));
}

function fieldOf(bytes: Uint8Array, length: number): Uint8Array {
  const field = new Uint8Array(length);
  field.set(bytes.subarray(0, length));
  return field;
}
