import {
  base64,
  ciphers,
  decimals,
  flagLists,
  hashes,
  integers,
  missing,
  references,
  texts,
  types,
  uuids,
} from "./families.ts";
import type { Aim, Family, Field, HostileValue } from "./field.ts";
import { RawText } from "./json-text.ts";
import { luks2Attacks } from "./luks2-attacks.ts";
import { fieldBytes, type Luks2Draft } from "./luks2-draft.ts";

type Value = HostileValue<Luks2Draft>;
type AnyFamily = Family<never>;

/** Every field of a LUKS2 header, from the On-Disk Format's sections 2.1 and 3, and attacks that need several. */
export const luks2Fields: readonly Field<Luks2Draft>[] = [
  member("segments.0.encryption", ciphers, texts, types),
  member("segments.0.type", words("linear", "crypt2", "error", "zero", "verity"), texts, types),
  member("segments.0.offset", decimals, texts, types),
  member("segments.0.size", decimals, texts, types),
  member("segments.0.iv_tweak", decimals, texts, types),
  member("segments.0.sector_size", integers, types),
  member("segments.0.flags", flagLists, types),
  member("segments.0.integrity", integrity(), types),
  member("segments.0", types),
  member("segments.1", entries(), types),
  member("segments", numbered(), types),
  member("digests.0.type", words("argon2id", "pbkdf2 ", "luks2"), texts, types),
  member("digests.0.keyslots", references, types),
  member("digests.0.segments", references, types),
  member("digests.0.hash", hashes, texts, types),
  member("digests.0.iterations", integers, types),
  member("digests.0.salt", base64, texts, types),
  member("digests.0.digest", base64, texts, types),
  member("digests.0", types),
  member("digests.1", entries(), types),
  member("digests", numbered(), types),
  member("keyslots.0.type", words("reencrypt", "luks1", "luks2 "), texts, types),
  member("keyslots.0.key_size", integers, types),
  member("keyslots.0.priority", integers, types),
  member("keyslots.0.af", types),
  member("keyslots.0.af.type", words("luks2", "none"), texts, types),
  member("keyslots.0.af.stripes", integers, types),
  member("keyslots.0.af.hash", hashes, texts, types),
  member("keyslots.0.area", types),
  member(
    "keyslots.0.area.type",
    words("none", "journal", "checksum", "datashift", "linear"),
    texts,
    types,
  ),
  member("keyslots.0.area.offset", decimals, texts, types),
  member("keyslots.0.area.size", decimals, texts, types),
  member("keyslots.0.area.encryption", ciphers, texts, types),
  member("keyslots.0.area.key_size", integers, types),
  member("keyslots.0.kdf", argon(), types),
  member("keyslots.0.kdf.type", words("argon2id", "argon2i", "scrypt", "none"), texts, types),
  member("keyslots.0.kdf.salt", base64, texts, types),
  member("keyslots.0.kdf.hash", hashes, texts, types),
  member("keyslots.0.kdf.iterations", integers, types),
  member("keyslots.0", types),
  member("keyslots.1", entries(), types),
  member("keyslots", numbered(), types),
  member("tokens.0.type", words("luks2-keyring", "systemd-tpm2", "luks2-", "clevis"), texts, types),
  member("tokens.0.keyslots", references, types),
  member("tokens.0.object", keys(), texts, types),
  member("tokens.0.created", words("9999-99-99", "1970-01-01T00:00:00Z"), texts, types),
  member("tokens.0", types),
  member("tokens.1", tokens(), types),
  member("tokens", numbered(), types),
  member("config.json_size", decimals, texts, types),
  member("config.keyslots_size", decimals, texts, types),
  member("config.flags", flagLists, types),
  member("config.requirements", requirementObjects(), types),
  member("config.requirements.mandatory", flagLists, types),
  member("config.stray", texts, types),
  member("config", types),
  member("stray", texts, types),
  binaryText("binary label", "label", 48),
  binaryText("binary subsystem", "subsystem", 48),
  binaryText("binary uuid", "uuid", 40, uuids),
  binaryText("binary checksum algorithm", "checksumAlgorithm", 32, hashes),
  binaryNumber("binary sequence", (binary, value) => {
    binary.sequence = value;
  }),
  binaryNumber("binary header size", (binary, value) => {
    binary.headerSize = value;
  }),
  binaryNumber("binary header offset", (binary, value) => {
    binary.headerOffset = value;
  }),
  {
    name: "binary version",
    values: [0, 1, 3, 255, 256, 65_535].map((version) => ({
      name: String(version),
      write: ({ binary }) => {
        binary.version = version;
      },
    })),
  },
  {
    name: "binary salt and padding",
    values: [0, 1, 0xff].flatMap((byte): Value[] => [
      { name: `salt ${byte}`, write: ({ binary }) => void binary.salt.fill(byte) },
      { name: `padding ${byte}`, write: ({ binary }) => void binary.padding.fill(byte) },
    ]),
  },
  {
    name: "JSON area's tail",
    values: ["x", '{"segments":{}}', "\xff", "\0\0{}", " ".repeat(9000)].map((tail) => ({
      name: JSON.stringify(tail.slice(0, 20)),
      write: (draft) => {
        draft.tail = Buffer.from(tail, "latin1");
      },
    })),
  },
  {
    name: "JSON area's text",
    values: [
      "",
      "\0",
      "{",
      "[]",
      "null",
      '"x"',
      "{}{}",
      "\ufeff{}",
      "[".repeat(12_000),
      '{"a":'.repeat(2000),
      "{},".repeat(4000),
      " ".repeat(12_288),
      "x".repeat(12_288),
    ].map((text) => ({
      name: JSON.stringify(text.slice(0, 20)),
      write: (draft) => {
        draft.text = Buffer.from(text);
      },
    })),
  },
  ...luks2Attacks,
];

/** A member of the JSON area, by its path. */
function member(path: string, ...families: readonly AnyFamily[]): Field<Luks2Draft> {
  const names = path.split(".");
  return {
    name: path,
    values: families.flatMap((family) =>
      Object.entries(family).map(([name, make]) => ({
        name,
        write: ({ json }: Luks2Draft, aim: Aim) => {
          const parent = parentOf(json, names.slice(0, -1));
          if (parent === undefined) return;
          const last = names.at(-1) ?? "";
          const honest = honestValue(path, parent[last]);
          const value = make(honest as never, aim);
          if (value === missing) Reflect.deleteProperty(parent, last);
          else parent[last] = value;
        },
      })),
    ),
  };
}

/** Makes the objects on the way; undefined if a hostile value is in the way, as in pairs of two fields. */
function parentOf(
  json: Record<string, unknown>,
  names: readonly string[],
): Record<string, unknown> | undefined {
  let parent: unknown = json;
  for (const name of names) {
    if (!isObject(parent)) return undefined;
    parent[name] ??= {};
    parent = parent[name];
  }
  return isObject(parent) ? parent : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !(value instanceof RawText);
}

/** What a hostile value is made from where the honest disk has no such member, or another has replaced it. */
function honestValue(path: string, value: unknown): unknown {
  const isNumber = /(key_size|sector_size|stripes|iterations|priority)$/.test(path);
  if (isNumber) return typeof value === "number" ? value : 1;
  const isText = !/(^|\.)(\d|keyslots|segments|digests|tokens|config|af|area|kdf)$/.test(path);
  return isText && typeof value !== "string" ? "aes" : value;
}

function words(...list: readonly string[]): Family<string> {
  return Object.fromEntries(list.map((word) => [`word ${word}`, () => word]));
}

/** dm-integrity beneath the encryption. */
function integrity(): Family<unknown> {
  const tags = ["hmac(sha256)", "aead", "none", "poly1305", "crc32", "x;stray,,,rw,0 8 zero"];
  return Object.fromEntries(
    tags.map((type) => [
      `integrity ${type}`,
      () => ({ type, journal_encryption: "none", journal_integrity: "none", key_size: 32 }),
    ]),
  );
}

/** An entry like entry 0, changed a little; honest is undefined here, so the values are whole. */
function entries(): Family<unknown> {
  const segment = {
    type: "crypt",
    offset: "1048576",
    size: "dynamic",
    iv_tweak: "0",
    encryption: "aes-xts-plain64",
    sector_size: 512,
  };
  return {
    "a second segment": () => segment,
    "a segment behind it": (_, aim) => ({
      ...segment,
      offset: String(aim.diskBytes - 4096),
      size: "4096",
    }),
    "a segment past the end": (_, aim) => ({ ...segment, offset: String(aim.diskBytes) }),
    "a linear segment": () => ({ type: "linear", offset: "1048576", size: "dynamic" }),
    "a null segment": () => ({ ...segment, encryption: "cipher_null-ecb" }),
    "a backup segment": () => ({ ...segment, flags: ["backup-final"] }),
    "a digest of nothing": () => ({
      type: "pbkdf2",
      keyslots: [],
      segments: [],
      hash: "sha256",
      iterations: 1000,
      salt: Buffer.alloc(32).toString("base64"),
      digest: Buffer.alloc(32).toString("base64"),
    }),
    "a digest of everything": () => ({
      type: "pbkdf2",
      keyslots: ["0"],
      segments: ["0"],
      hash: "sha256",
      iterations: 1000,
      salt: Buffer.alloc(32).toString("base64"),
      digest: Buffer.alloc(32).toString("base64"),
    }),
    "an unknown digest of everything": () => ({
      type: "tomorrow",
      keyslots: ["0"],
      segments: ["0"],
    }),
    "a reencrypt slot": () => ({
      type: "reencrypt",
      key_size: 1,
      mode: "reencrypt",
      direction: "forward",
      area: { type: "none", offset: "524288", size: "4096" },
    }),
    "a slot of tomorrow": () => ({
      type: "tomorrow",
      key_size: 64,
      area: { type: "tomorrow", offset: "524288", size: "4096" },
    }),
  };
}

/** An object's entry 0. */
function zero(honest: unknown): unknown {
  return isObject(honest) ? honest["0"] : honest;
}

/** An object whose entries have other numbers, or more of them. */
function numbered(): Family<Record<string, unknown>> {
  return {
    "number 1 instead": (honest) => ({ "1": zero(honest) }),
    "number 31": (honest) => ({ ...honest, "31": zero(honest) }),
    "number 32": (honest) => ({ ...honest, "32": zero(honest) }),
    "number -1": (honest) => ({ ...honest, "-1": zero(honest) }),
    "number 00": (honest) => ({ ...honest, "00": zero(honest) }),
    "number 0x0": (honest) => ({ ...honest, "0x0": zero(honest) }),
    "no number": (honest) => ({ ...honest, x: zero(honest) }),
    "an empty name": (honest) => ({ ...honest, "": zero(honest) }),
    "a long name": (honest) => ({ ...honest, ["1".repeat(4000)]: zero(honest) }),
    "a name with a line": (honest) => ({ ...honest, "1\n": zero(honest) }),
    "a name of the prototype": (honest) =>
      new RawText(`{"0":${JSON.stringify(zero(honest))},"__proto__":{"x":1}}`),
    "0 twice": (honest) =>
      new RawText(`{"0":${JSON.stringify(zero(honest))},"0":${JSON.stringify(zero(honest))}}`),
    "32 of it": (honest) =>
      Object.fromEntries(Array.from({ length: 32 }, (_, number) => [number, zero(honest)])),
    "200 empty ones": () =>
      Object.fromEntries(Array.from({ length: 200 }, (_, number) => [number, {}])),
  };
}

function argon(): Family<unknown> {
  const salt = Buffer.alloc(32, 7).toString("base64");
  const costs = [
    { time: 4, memory: 4_294_967_295, cpus: 4 },
    { time: 4_294_967_295, memory: 8, cpus: 1 },
    { time: 1, memory: 8, cpus: 255 },
    { time: 0, memory: 0, cpus: 0 },
    { time: -1, memory: 65_536, cpus: 4 },
    { time: 4, memory: 2 ** 53, cpus: 4 },
  ];
  return Object.fromEntries(
    costs.map((cost) => [
      `argon2id ${Object.values(cost).join()}`,
      () => ({ type: "argon2id", salt, ...cost }),
    ]),
  );
}

/** Ids of keys for a token to name. */
function keys(): Family<string> {
  return {
    "another key": (_, aim) => aim.foreignKey,
    "a key that is not there": () => "0f0e0d0c-0b0a-4908-8706-050403020100",
    "a key's URL": (honest) => `http://127.0.0.1:9311/v1/secrets/${honest}`,
    "a key's payload": (honest) => `${honest}/payload`,
    "a query": (honest) => `${honest}?x=y`,
    "a fragment": (honest) => `${honest}#`,
    "an encoded slash": (honest) => `${honest}%2f..`,
    "two dots": () => "..",
  };
}

/** Tokens beside the honest one. */
function tokens(): Family<unknown> {
  const created = "2026-01-01T00:00:00.000Z";
  return {
    "another key's": (_, aim) => ({
      type: "chatelaine",
      keyslots: ["0"],
      object: aim.foreignKey,
      created,
    }),
    "another key's, of no slot": (_, aim) => ({
      type: "chatelaine",
      keyslots: [],
      object: aim.foreignKey,
      created,
    }),
    "a keyring's": () => ({ type: "luks2-keyring", keyslots: ["0"], key_description: "%user:x" }),
    "a TPM's": () => ({ type: "systemd-tpm2", keyslots: ["0"], "tpm2-blob": "AA==" }),
    "a plugin's path": () => ({ type: "../../tmp/stray", keyslots: ["0"] }),
    "without slots": () => ({ type: "chatelaine" }),
  };
}

function requirementObjects(): Family<unknown> {
  return {
    optional: () => ({ optional: ["time-travel"] }),
    "a list": () => ["online-reencrypt-v2"],
    "a string": () => ({ mandatory: "online-reencrypt-v2" }),
    "an object": () => ({ mandatory: { "0": "online-reencrypt-v2" } }),
    nothing: () => ({}),
  };
}

/** A field of the binary part that holds text up to a NUL. */
function binaryText(
  name: string,
  key: "label" | "subsystem" | "uuid" | "checksumAlgorithm",
  length: number,
  ...families: readonly Family<string>[]
): Field<Luks2Draft> {
  return {
    name,
    values: [...families, texts].flatMap((family) =>
      Object.entries(family).map(([value, make]) => ({
        name: value,
        write: ({ binary }: Luks2Draft, aim: Aim) => {
          binary[key] = hostileField(make(textIn(binary[key]), aim), length);
        },
      })),
    ),
  };
}

/** A hostile text as a fixed field of bytes. */
export function hostileField(value: unknown, length: number): Uint8Array {
  if (!(value instanceof RawText)) return fieldBytes(String(value), length);
  const field = new Uint8Array(length);
  field.set(Buffer.from(value.text.replaceAll("\uf8ff", "\xff"), "latin1").subarray(0, length));
  return field;
}

/** The text of a fixed field of bytes. */
export function textIn(field: Uint8Array): string {
  return Buffer.from(field).toString("utf8").replace(/\0.*$/s, "");
}

function binaryNumber(
  name: string,
  set: (binary: Luks2Draft["binary"], value: bigint) => void,
): Field<Luks2Draft> {
  const values = [
    0n,
    1n,
    592n,
    4096n,
    16_383n,
    0x4000n,
    0x8000n,
    0x10000n,
    0x400000n,
    0x800000n,
    2n ** 31n,
    2n ** 32n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 63n,
    2n ** 64n - 1n,
  ];
  return {
    name,
    values: values.map((value) => ({
      name: String(value),
      write: ({ binary }) => set(binary, value),
    })),
  };
}
