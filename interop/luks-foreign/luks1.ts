import type { Luks1Draft } from "../../packages/luks/test/hostile/luks1.ts";
import { honestLuks1, type Luks1Plan, luks1Disk } from "./honest-luks1.ts";
import { type Image, writeBlankData, writeDisk } from "./image.ts";

const hashes = [
  "sha1",
  "sha224",
  "sha256",
  "sha384",
  "sha512",
  "sha3-224",
  "sha3-256",
  "sha3-512",
  "ripemd160",
  "blake2b-512",
  "blake2s-256",
  "sm3",
];

/** Ciphers that the generator computes, with the bytes of their keys. */
const ciphers: readonly (readonly [string, readonly number[]])[] = [
  ["aes-xts-plain64", [32, 64]],
  ["aes-xts-plain", [32, 64]],
  ["aes-xts-plain64be", [32]],
  ["aes-xts-essiv:sha256", [32]],
  ["aes-xts-benbi", [32]],
  ["aes-cbc-plain64", [16, 24, 32]],
  ["aes-cbc-plain", [16, 24, 32]],
  ["aes-cbc-essiv:sha256", [16, 24, 32]],
  ["aes-cbc-benbi", [32]],
  ["aes-cbc-null", [32]],
  ["aes-ecb", [16, 32]],
  ["camellia-cbc-plain64", [32]],
  ["camellia-cbc-essiv:sha256", [32]],
  ["aria-cbc-plain64", [32]],
];

const [slotOffset, slotBytes] = [208, 48];
const sector = 512;

/** Valid disks in each form that the LUKS1 On-Disk Format 1.2.3 has. */
export const luks1Valid: readonly Image[] = [
  ...hashes.map((hash) => valid("luks1 hash", hash, { hash })),
  ...ciphers.flatMap(([cipher, lengths]) =>
    lengths.map((keyBytes) =>
      valid("luks1 cipher", `${cipher}, ${keyBytes * 8} bits`, { cipher, keyBytes }),
    ),
  ),
  ...[32, 64].map(
    (keyBytes): Image => ({
      ...valid("luks1 cipher", `aes-xts-plain64:sha256, ${keyBytes * 8} bits`, {
        cipher: "aes-xts-plain64:sha256",
        keyBytes,
      }),
      inGuest: true,
    }),
  ),
  ...[1, 999, 1000, 20_000].map((iterations) =>
    valid("luks1 iterations", String(iterations), { iterations }),
  ),
  ...[[], [7], [3, 5], [0, 1, 2, 3, 4, 5, 6, 7]].map((active) =>
    valid("luks1 slots", JSON.stringify(active), { active }),
  ),
  ...[2056, 2064, 4096, 6000].map((payloadOffset) =>
    valid("luks1 payload offset", String(payloadOffset), { payloadOffset }),
  ),
  { ...valid("luks1 detached header", "its file alone", { payloadOffset: 0 }), detached: true },
  { ...valid("luks1 detached header", "data behind an offset", {}), detached: true },
];

/** One change each to an ordinary LUKS1 disk. */
export const luks1Changed: readonly Image[] = [
  changed("luks1 magic", "another letter", ({ bytes }) => void bytes.write("l")),
  ...[0, 2, 3, 256, 65_535].map((version) =>
    changed("luks1 version", String(version), ({ bytes }) => void bytes.writeUInt16BE(version, 6)),
  ),
  ...texts("luks1 cipher name", 8, 32, [
    "AES",
    "aes ",
    "cipher_null",
    "tomorrow",
    "",
    "capi:xts(aes)",
    "aes\0x",
    "a".repeat(32),
  ]),
  ...texts("luks1 cipher mode", 40, 32, [
    "XTS-PLAIN64",
    "xts-plain",
    "xts",
    "xts-",
    "-plain64",
    "cbc-plain64",
    "xts-tomorrow",
    "ecb",
    "ecb-plain64",
    "",
    "xts-plain64\0x",
    "x".repeat(32),
  ]),
  ...texts("luks1 hash name", 72, 32, [
    "SHA256",
    "Sha256",
    "sha-256",
    "md5",
    "crc32",
    "tomorrow",
    "",
    "sha256\0x",
    "s".repeat(32),
  ]),
  ...texts("luks1 uuid", 168, 40, [
    "",
    "no uuid",
    "1B4E28BA-2FA1-41D2-883F-0016D3CCA427",
    "1b4e28ba2fa141d2883f0016d3cca427",
    "1b4e28ba-2fa1-41d2-883f-0016d3cca427\0x",
    "0".repeat(40),
    "../../../etc",
  ]),
  ...numbers("luks1 payload", 104, [0, 1, 7, 8, 2055, 2056, 2057, 4095, 6144, 6145, 2 ** 32 - 1]),
  ...numbers("luks1 key bytes", 108, [0, 1, 16, 24, 31, 33, 48, 64, 65, 512, 513, 2 ** 32 - 1]),
  ...numbers("luks1 digest iterations", 164, [0, 1, 999, 1001]),
  ...[112, 132].map((at) =>
    changed("luks1 digest", `byte ${at} another`, ({ bytes }) => {
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }),
  ),
  ...[0, 1, 7].flatMap((slot) => {
    const at = slotOffset + slotBytes * slot;
    return [
      ...numbers(`luks1 slot ${slot} active`, at, [
        0x00ac71f3,
        0x0000dead,
        0,
        1,
        0x00ac71f2,
        0xac71f3_00,
        2 ** 32 - 1,
      ]),
      ...numbers(`luks1 slot ${slot} iterations`, at + 4, [0, 1, 999, 1001]),
      ...numbers(`luks1 slot ${slot} offset`, at + 40, [
        0,
        1,
        2,
        7,
        9,
        16,
        264,
        1792,
        2000,
        4095,
        4096,
        6143,
        6144,
        2 ** 23,
        2 ** 32 - 1,
      ]),
      ...numbers(`luks1 slot ${slot} stripes`, at + 44, [
        0,
        1,
        2,
        3999,
        4001,
        8000,
        65_536,
        2 ** 32 - 1,
      ]),
    ];
  }),
  changed("luks1 slots in another order", "descending", ({ bytes }) => {
    const offsets = Array.from({ length: 8 }, (_, slot) =>
      bytes.readUInt32BE(slotOffset + slotBytes * slot + 40),
    );
    for (const [slot, offset] of offsets.toReversed().entries()) {
      if (slot !== 0 && slot !== 7) bytes.writeUInt32BE(offset, slotOffset + slotBytes * slot + 40);
    }
  }),
  changed(
    "luks1 partition signature",
    "in slot 6",
    ({ bytes }) => void bytes.writeUInt16LE(0xaa55, 510),
  ),
  ...[0, 511, 512, 591, 592, 593, 4096, 132_095, 132_096, 1_052_671, 1_052_672, 2_097_152].map(
    (length) => changed("luks1 end of the file", String(length), () => undefined, length),
  ),
];

function valid(field: string, value: string, plan: Luks1Plan): Image {
  const bytes = (Math.max(4096, plan.payloadOffset ?? 0) + 2048) * sector;
  const write = (path: string) => {
    writeDisk(path, luks1Disk(honestLuks1(plan), bytes));
    writeBlankData(path);
  };
  return { field, value, kind: "valid", write };
}

function changed(
  field: string,
  value: string,
  change: (draft: Luks1Draft) => void,
  bytes?: number,
): Image {
  return {
    field,
    value,
    kind: "changed",
    write: (path) => {
      const draft = honestLuks1();
      change(draft);
      writeDisk(path, luks1Disk(draft, bytes));
    },
  };
}

function texts(field: string, at: number, length: number, values: readonly string[]): Image[] {
  return values.map((value) =>
    changed(field, JSON.stringify(value), ({ bytes }) => {
      bytes.fill(0, at, at + length);
      bytes.write(value, at, length, "latin1");
    }),
  );
}

function numbers(field: string, at: number, values: readonly number[]): Image[] {
  return values.map((value) =>
    changed(field, String(value), ({ bytes }) => void bytes.writeUInt32BE(value >>> 0, at)),
  );
}
