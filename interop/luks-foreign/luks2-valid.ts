import { honestLuks2, type Luks2Plan, luks2Disk, type SlotPlan } from "./honest-luks2.ts";
import { type Image, writeBlankData, writeDisk } from "./image.ts";

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
  "blake2b-512",
  "blake2s-256",
  "sm3",
];

/** Ciphers of the key slots area that this generator computes, with the bytes of their keys. */
const areaCiphers: readonly (readonly [string, readonly number[]])[] = [
  ["aes-xts-plain64", [32, 64]],
  ["aes-xts-plain", [32, 64]],
  ["aes-xts-plain64be", [32]],
  ["aes-xts-essiv:sha256", [32, 64]],
  ["aes-xts-benbi", [32]],
  ["aes-xts-null", [32]],
  ["aes-xts-plain64:sha256", [32]],
  ["aes-cbc-plain64", [16, 24, 32]],
  ["aes-cbc-plain", [16, 24, 32]],
  ["aes-cbc-essiv:sha256", [16, 24, 32]],
  ["aes-cbc-null", [32]],
  ["aes-cbc-benbi", [32]],
  ["aes-ecb", [16, 32]],
  ["camellia-cbc-plain64", [16, 24, 32]],
  ["camellia-cbc-essiv:sha256", [32]],
  ["aria-cbc-plain64", [32]],
];

const segmentCiphers: readonly (readonly [string, number])[] = [
  ["aes-xts-plain64", 48],
  ["aes-xts-plain64", 64],
  ["aes-xts-plain", 64],
  ["aes-xts-plain64:sha256", 64],
  ["aes-xts-essiv:sha256", 32],
  ["aes-cbc-essiv:sha256", 16],
  ["aes-cbc-essiv:sha256", 24],
  ["aes-cbc-essiv:sha256", 32],
  ["aes-cbc-plain", 32],
  ["aes-cbc-plain64", 16],
  ["aes-xts-plain64be", 32],
  ["aes-xts-random", 32],
  ["aes-cbc-essiv:md5", 16],
  ["aes-cbc-benbi", 32],
  ["aes-cbc-lmk", 16],
  ["aes:64-cbc-lmk", 64],
  ["aes-cbc-tcw", 48],
  ["aes-cbc-eboiv", 32],
  ["aes-cbc-elephant", 64],
  ["aes-ecb", 32],
  ["aes-lrw-benbi", 48],
  ["aes-gcm-random", 32],
  ["aes-ccm-random", 32],
  ["aegis128-random", 16],
  ["chacha20-random", 32],
  ["xchacha12,aes-adiantum-plain64", 32],
  ["xchacha20,aes-adiantum-plain64", 32],
  ["serpent-xts-plain64", 64],
  ["serpent-cbc-essiv:sha256", 32],
  ["twofish-xts-plain64", 64],
  ["camellia-xts-plain64", 64],
  ["cast5-cbc-plain64", 16],
  ["cast6-xts-plain64", 64],
  ["blowfish-cbc-plain64", 16],
  ["des3_ede-cbc-plain64", 24],
  ["sm4-xts-plain64", 32],
  ["aria-xts-plain64", 64],
  ["paes-xts-plain64", 64],
  ["capi:xts(aes)-plain64", 64],
  ["capi:authenc(hmac(sha256),xts(aes))-random", 64],
];

/** dm-integrity beneath the encryption: its type, and the bytes that it adds to the volume key. */
const integrities: readonly (readonly [string, string, number])[] = [
  ["hmac(sha256)", "aes-xts-plain64", 96],
  ["hmac(sha512)", "aes-xts-plain64", 128],
  ["hmac(sha1)", "aes-xts-plain64", 84],
  ["hmac(sha256)", "aes-xts-random", 96],
  ["cmac(aes)", "aes-xts-plain64", 80],
  ["poly1305", "chacha20-random", 32],
  ["aead", "aes-gcm-random", 32],
  ["none", "aes-xts-plain64", 64],
  ["crc32c", "aes-xts-plain64", 64],
];

const sizes = [0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000];
const kibibyte = 1024;

/** Valid disks in each form that the LUKS2 On-Disk Format 1.1 has. */
export const luks2Valid: readonly Image[] = [
  valid("luks2", "as small as may be", {
    keyslotsSize: 128 * kibibyte,
    dataOffset: 160 * kibibyte,
  }),
  ...sizes.map((headerSize) => valid("luks2 header size", String(headerSize), { headerSize })),
  ...hashes.flatMap((hash) => [
    valid("luks2 kdf hash", hash, { slots: [{ hash }] }),
    valid("luks2 af hash", hash, { slots: [{ afHash: hash }] }),
    valid("luks2 digest hash", hash, { digest: { hash } }),
    valid("luks2 digest hash", `${hash}, 20 bytes`, { digest: { hash, length: 20 } }),
  ]),
  ...areaCiphers.flatMap(([areaCipher, lengths]) =>
    lengths.map((areaKeyBytes) =>
      valid("luks2 area cipher", `${areaCipher}, ${areaKeyBytes * 8} bits`, {
        slots: [{ areaCipher, areaKeyBytes }],
      }),
    ),
  ),
  ...segmentCiphers.map(([cipher, keyBytes]) =>
    valid("luks2 segment cipher", `${cipher}, ${keyBytes * 8} bits`, { cipher, keyBytes }),
  ),
  ...integrities.map(([type, cipher, keyBytes]) =>
    valid("luks2 integrity", `${type} under ${cipher}`, { cipher, keyBytes }, (segment) => {
      segment["integrity"] = { type, journal_encryption: "none", journal_integrity: "none" };
    }),
  ),
  ...[512, 1024, 2048, 4096].map((sectorSize) =>
    valid("luks2 sector size", String(sectorSize), { sectorSize }),
  ),
  ...[1, 2, 999, 1000, 20_000].map((iterations) =>
    valid("luks2 iterations", `${iterations} in the slot`, { slots: [{ iterations }] }),
  ),
  ...[1, 999, 1000, 20_000].map((iterations) =>
    valid("luks2 iterations", `${iterations} in the digest`, { digest: { iterations } }),
  ),
  ...[4, 8, 16, 31, 33, 48, 64, 512].flatMap((saltBytes) => [
    valid("luks2 salt length", `${saltBytes} in the slot`, { slots: [{ saltBytes }] }),
    valid("luks2 salt length", `${saltBytes} in the digest`, { digest: { saltBytes } }),
  ]),
  ...[16, 19, 20, 21, 31, 33, 64].map((length) =>
    valid("luks2 digest length", `${length} of sha256`, { digest: { length } }),
  ),
  ...[1, 15, 16, 24, 32, 33, 64, 128, 512].map((keyBytes) =>
    valid("luks2 volume key length", String(keyBytes), { keyBytes }),
  ),
  ...slotPlans(),
  ...[0, 160, 2048, 4096, 16_384].map((kib) =>
    valid("luks2 data offset", `${kib} KiB`, {
      dataOffset: kib * kibibyte,
      keyslotsSize: 128 * kibibyte,
    }),
  ),
  ...[128, 132, 256, 512, 992].map((kib) =>
    valid("luks2 key slots size", `${kib} KiB`, {
      dataOffset: 1024 * kibibyte,
      keyslotsSize: kib * kibibyte,
    }),
  ),
  {
    ...valid("luks2 detached header", "its file alone", { dataOffset: 0 }),
    detached: true,
  },
  {
    ...valid("luks2 detached header", "data behind an offset", { dataOffset: 1 << 20 }),
    detached: true,
  },
];

function slotPlans(): Image[] {
  const other = Buffer.from("another passphrase");
  const thirtyTwo = Array.from({ length: 32 }, (_, number) => ({
    passphrase: number === 31 ? Buffer.from("00112233445566778899aabbccddeeff") : other,
  }));
  return [
    valid("luks2 slots", "none", { slots: [] }),
    valid("luks2 slots", "only number 31", { slots: [{ number: 31 }] }),
    valid("luks2 slots", "32, the last of which opens", { slots: thirtyTwo, dataOffset: 5 << 20 }),
    valid("luks2 slots", "the second opens", two({ passphrase: other }, {})),
    valid("luks2 slots", "a passphrase that no slot has", { slots: [{ passphrase: other }] }),
    valid("luks2 slots", "both open", two({}, {})),
    valid("luks2 slots", "both open, the second in front", two({ number: 1 }, { number: 0 })),
    ...[0, 1, 2].flatMap((first) =>
      [0, 1, 2].map((second) =>
        valid(
          "luks2 priority",
          `${first} and ${second}`,
          two({ priority: first }, { priority: second }),
        ),
      ),
    ),
    valid("luks2 priority", "0 alone", { slots: [{ priority: 0 }] }),
    valid(
      "luks2 unbound slot",
      "behind the bound one",
      two({ passphrase: other }, { unboundKeyBytes: 32 }),
    ),
    valid(
      "luks2 unbound slot",
      "before the bound one, same passphrase",
      two({ unboundKeyBytes: 32 }, {}),
    ),
    valid(
      "luks2 unbound slot",
      "before the bound one, of another length",
      two({ unboundKeyBytes: 64 }, {}),
    ),
    valid("luks2 unbound slot", "preferred", two({ unboundKeyBytes: 32, priority: 2 }, {})),
    valid("luks2 unbound slot", "alone", { slots: [{ unboundKeyBytes: 32 }] }),
    valid(
      "luks2 unbound slot",
      "its passphrase alone",
      two({ unboundKeyBytes: 32 }, { passphrase: other }),
    ),
  ];
}

function two(first: SlotPlan, second: SlotPlan): Luks2Plan {
  return { slots: [first, second] };
}

function valid(
  field: string,
  value: string,
  plan: Luks2Plan,
  change: (segment: Record<string, unknown>) => void = () => undefined,
): Image {
  return {
    field,
    value,
    kind: "valid",
    write: (path) => {
      const disk = honestLuks2(plan);
      change((disk.draft.json["segments"] as Record<string, Record<string, unknown>>)["0"] ?? {});
      writeDisk(path, luks2Disk(disk));
      writeBlankData(path);
    },
  };
}
