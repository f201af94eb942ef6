import { clearMaterial, digestOf, knownKey } from "./attacker-key.ts";
import { ciphers, hashes, texts, uuids } from "./families.ts";
import type { Aim, Family, Field, HostileValue } from "./field.ts";
import type { Write } from "./luks2-draft.ts";
import { hostileField, textIn } from "./luks2-fields.ts";

/** A LUKS1 header that is being written: LUKS1 On-Disk Format 1.2.3, section 3.1. It has no checksum. */
export interface Luks1Draft {
  /** The 592 bytes. */
  readonly bytes: Buffer;
  readonly writes: Write[];
}

type Value = HostileValue<Luks1Draft>;

export const luks1Bytes = 592;

export function luks1Draft(head: Uint8Array): Luks1Draft {
  return { bytes: Buffer.from(head.subarray(0, luks1Bytes)), writes: [] };
}

/** Each slot has 48 bytes, from here on. */
const slotOffset = 208;

/** Every field of a LUKS1 header, and attacks that need several. */
export const luks1Fields: readonly Field<Luks1Draft>[] = [
  text("luks1 cipher name", 8, 32, parts(0), texts),
  text("luks1 cipher mode", 40, 32, parts(1), texts),
  text("luks1 hash", 72, 32, hashes, texts),
  text("luks1 uuid", 168, 40, uuids, texts),
  {
    name: "luks1 version",
    values: [0, 2, 3, 255, 65_535].map((version) => ({
      name: String(version),
      write: ({ bytes }) => void bytes.writeUInt16BE(version, 6),
    })),
  },
  number("luks1 payload offset", 104),
  number("luks1 key bytes", 108),
  bytesField("luks1 digest", 112, 20),
  bytesField("luks1 digest salt", 132, 32),
  number("luks1 digest iterations", 164),
  ...[0, 1, 7].flatMap((slot) => [
    number(`luks1 slot ${slot} active`, slotOffset + 48 * slot, [0x00ac71f3, 0x0000dead]),
    number(`luks1 slot ${slot} iterations`, slotOffset + 48 * slot + 4),
    bytesField(`luks1 slot ${slot} salt`, slotOffset + 48 * slot + 8, 32),
    number(`luks1 slot ${slot} material`, slotOffset + 48 * slot + 40),
    number(`luks1 slot ${slot} stripes`, slotOffset + 48 * slot + 44),
  ]),
  {
    name: "attack: a LUKS1 header of the attacker's",
    values: [
      ["cipher_null", "ecb"],
      ["cipher_null", "cbc-plain64"],
      ["aes", "xts-plain64"],
    ].flatMap(([name = "", mode = ""]) =>
      [16, 32, 64].map(
        (keyBytes): Value => ({
          name: `${name}-${mode} with ${keyBytes * 8} bits`,
          write: (draft) => ownHeader(draft, name, mode, keyBytes),
        }),
      ),
    ),
  },
  {
    name: "attack: LUKS1 without encryption",
    values: [
      ["cipher_null", "ecb"],
      ["cipher_null", "xts-plain64"],
      ["capi:ecb(cipher_null)", "plain64"],
    ].map(([name = "", mode = ""]) => ({
      name: `${name}-${mode}`,
      write: ({ bytes }) => {
        bytes.set(hostileField(name, 32), 8);
        bytes.set(hostileField(mode, 32), 40);
      },
    })),
  },
  {
    name: "attack: a table in LUKS1's cipher",
    values: Object.entries(texts)
      .slice(0, 6)
      .flatMap(([what, make]) =>
        [8, 16, 24, 31].map(
          (cut): Value => ({
            name: `${what}, cut at ${cut}`,
            write: ({ bytes }, aim) => {
              const whole = String(make("aes-xts-plain64", aim));
              bytes.set(hostileField(whole.slice(0, cut), 32), 8);
              bytes.set(hostileField(whole.slice(cut, cut + 32), 32), 40);
            },
          }),
        ),
      ),
  },
];

/** A header whose volume key the attacker knows; with a cipher that encrypts nothing, any passphrase opens it. */
function ownHeader({ bytes, writes }: Luks1Draft, name: string, mode: string, keyBytes: number) {
  const key = knownKey(keyBytes);
  bytes.set(hostileField(name, 32), 8);
  bytes.set(hostileField(mode, 32), 40);
  bytes.set(hostileField("sha256", 32), 72);
  bytes.writeUInt32BE(keyBytes, 108);
  bytes.fill(0, 132, 164);
  bytes.writeUInt32BE(1000, 164);
  bytes.set(digestOf(key, "sha256", 20), 112);
  const offset = bytes.readUInt32BE(slotOffset + 40) * 512;
  writes.push({ offset, bytes: clearMaterial(key, 4000, "sha256") });
}

/** Each cipher's first part, or all that follows the first dash. */
function parts(which: 0 | 1): Family<string> {
  return Object.fromEntries(
    Object.entries(ciphers).map(([name, make]) => [
      name,
      (honest, aim) => {
        const whole = String(make(honest, aim));
        const dash = whole.indexOf("-");
        if (dash < 0) return which === 0 ? whole : "";
        return which === 0 ? whole.slice(0, dash) : whole.slice(dash + 1);
      },
    ]),
  );
}

function text(
  name: string,
  offset: number,
  length: number,
  ...families: readonly Family<string>[]
): Field<Luks1Draft> {
  return {
    name,
    values: families.flatMap((family) =>
      Object.entries(family).map(([value, make]) => ({
        name: value,
        write: ({ bytes }: Luks1Draft, aim: Aim) => {
          const honest = textIn(bytes.subarray(offset, offset + length));
          bytes.set(hostileField(make(honest, aim), length), offset);
        },
      })),
    ),
  };
}

function number(name: string, offset: number, more: readonly number[] = []): Field<Luks1Draft> {
  const fixed = [0, 1, 2, 7, 8, 16, 20, 32, 64, 512, 513, 1000, 2048, 4000, 4096, 8192, 65_536];
  const large = [65_537, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1];
  return {
    name,
    values: [
      ...[...fixed, ...large, ...more].map(
        (value): Value => ({
          name: String(value),
          write: ({ bytes }) => void bytes.writeUInt32BE(value, offset),
        }),
      ),
      ...[-8, -1, 1, 8, 504, 2048].map(
        (by): Value => ({
          name: `honest ${by < 0 ? "-" : "+"} ${Math.abs(by)}`,
          write: ({ bytes }) =>
            void bytes.writeUInt32BE((bytes.readUInt32BE(offset) + by) >>> 0, offset),
        }),
      ),
      {
        name: "the end of the disk",
        write: ({ bytes }, aim) => void bytes.writeUInt32BE(aim.diskBytes / 512, offset),
      },
      {
        name: "a sector before the end of the disk",
        write: ({ bytes }, aim) => void bytes.writeUInt32BE(aim.diskBytes / 512 - 1, offset),
      },
    ],
  };
}

function bytesField(name: string, offset: number, length: number): Field<Luks1Draft> {
  return {
    name,
    values: [0, 1, 0xff].map((byte) => ({
      name: `all ${byte}`,
      write: ({ bytes }) => void bytes.fill(byte, offset, offset + length),
    })),
  };
}
