import { createHash } from "node:crypto";

/** What a header means for the kernel: what may not change behind the ledger's back. */
export interface Meaning {
  readonly id: string;
  readonly version: 1 | 2;
  readonly cipher: string;
  readonly keyBytes: number;
  readonly sectorSize: number;
  /** Where the data begins, and how much there is, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  readonly ivTweak: number;
}

/** Why no honest tool would open it, or what it means. */
export type Reading =
  | { readonly sound: true; readonly meaning: Meaning }
  | { readonly sound: false; readonly problem: string };

const xts = [32, 48, 64];
const cbc = [16, 24, 32];

/** dm-crypt's names of the ciphers that a LUKS disk may have, with the lengths of their keys in bytes. */
export const cipherKeys: Readonly<Record<string, readonly number[]>> = {
  ...Object.fromEntries(
    ["aes", "serpent", "twofish", "camellia"].flatMap((name) =>
      ["plain64", "plain", "essiv:sha256"].flatMap((iv) => [
        [`${name}-xts-${iv}`, xts],
        [`${name}-cbc-${iv}`, cbc],
      ]),
    ),
  ),
  ...Object.fromEntries(
    ["sha3-256", "blake2s-256", "sm3"].flatMap((hash) => [
      [`aes-xts-essiv:${hash}`, xts],
      [`aes-cbc-essiv:${hash}`, cbc],
    ]),
  ),
  "aes-xts-plain64:sha256": xts,
  "xchacha12,aes-adiantum-plain64": [32],
  "xchacha20,aes-adiantum-plain64": [32],
};

export const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Reads a header with code that shares nothing with the library's, and judges it by what SECURITY.md promises: the second
 * opinion that the library's acceptance is held against. It reads what is on the disk, not what the fuzzer meant.
 *
 * @param head the first 32 KiB of a disk
 * @param slot the key slot that opened it
 * @returns a reading of each copy that has a valid checksum
 */
export function readingsOf(head: Buffer, diskBytes: number, slot: number): readonly Reading[] {
  if (head.readUInt16BE(6) === 1) return [luks1Reading(head, diskBytes, slot)];
  return [0, 0x4000].flatMap((offset) => {
    const copy = head.subarray(offset, offset + 0x4000);
    return isIntact(copy, offset) ? [luks2Reading(copy, diskBytes, String(slot))] : [];
  });
}

class Unsound extends Error {}

function reading(read: () => Meaning): Reading {
  try {
    return { sound: true, meaning: read() };
  } catch (error) {
    const problem = error instanceof Unsound ? error.message : "it is no JSON of that form";
    return { sound: false, problem };
  }
}

function isIntact(copy: Buffer, offset: number): boolean {
  const magic = copy.toString("hex", 0, 8);
  if (magic !== (offset === 0 ? "4c554b53babe0002" : "534b554cbabe0002")) return false;
  const name = fieldOf(copy, 72, 32);
  if (name !== "sha256" && name !== "sha512") return false;
  const zeroed = Buffer.from(copy).fill(0, 448, 512);
  const sum = createHash(name).update(zeroed).digest();
  return sum.equals(copy.subarray(448, 448 + sum.length));
}

type Entry = Record<string, unknown>;

function luks2Reading(copy: Buffer, diskBytes: number, slot: string): Reading {
  return reading(() => {
    const json = JSON.parse(copy.toString("utf8", 4096).replace(/\0.*$/s, "")) as Record<
      string,
      Record<string, Entry>
    >;
    const { keyslots = {}, segments = {}, digests = {}, config = {} } = json;
    const ciphers = [
      ...Object.values(segments).map(({ encryption }) => encryption),
      ...Object.values(keyslots).map(({ area }) => (area as Entry | undefined)?.["encryption"]),
    ];
    require(!ciphers.some((cipher) =>
      /null/i.test(JSON.stringify(cipher) ?? ""),
    ), "a cipher is null");
    require(Object.keys(segments).join() === "0", "it has other segments than segment 0");
    const segment = segments["0"] as Entry;
    require(segment["type"] === "crypt", "its segment is not encrypted");
    require(segment["integrity"] === undefined, "it has dm-integrity");
    const covering = Object.values(digests).filter(({ segments: covered }) =>
      (covered as unknown[]).includes("0"),
    );
    require(covering.length === 1, `${covering.length} digests cover its segment`);
    const [digest] = covering as [Entry];
    require(digest["type"] === "pbkdf2", "its digest is of an unknown type");
    require((digest["keyslots"] as unknown[]).includes(slot), "the slot is another digest's");
    const requirements = (config["requirements"]?.["mandatory"] ?? []) as unknown[];
    require(requirements.length === 0, "it has requirements");
    const sectorSize = segment["sector_size"] as number;
    require([512, 1024, 2048, 4096].includes(sectorSize), "its sector size is unknown");
    const keyslotsEnd = 2 * 0x4000 + decimal(config["keyslots_size"]);
    const offset = decimal(segment["offset"]);
    require(offset >= keyslotsEnd, "its data begins in the key slots");
    const bytes =
      segment["size"] === "dynamic"
        ? wholeSectors(diskBytes - offset, sectorSize)
        : decimal(segment["size"]);
    return checked(diskBytes, {
      id: fieldOf(copy, 168, 40),
      version: 2,
      cipher: String(segment["encryption"]),
      keyBytes: keyslots[slot]?.["key_size"] as number,
      sectorSize,
      offset,
      bytes,
      ivTweak: decimal(segment["iv_tweak"]),
    });
  });
}

function luks1Reading(head: Buffer, diskBytes: number, slot: number): Reading {
  return reading(() => {
    require(head.readUInt32BE(208 + 48 * slot) === 0x00ac71f3, "the slot is not active");
    const keyBytes = head.readUInt32BE(108);
    const offset = head.readUInt32BE(104) * 512;
    for (let number = 0; number < 8; number++) {
      const at = 208 + 48 * number;
      const end = head.readUInt32BE(at + 40) * 512 + head.readUInt32BE(at + 44) * keyBytes;
      require(offset >= end, "its data begins in the key slots");
    }
    return checked(diskBytes, {
      id: fieldOf(head, 168, 40),
      version: 1,
      cipher: `${fieldOf(head, 8, 32)}-${fieldOf(head, 40, 32)}`,
      keyBytes,
      sectorSize: 512,
      offset,
      bytes: wholeSectors(diskBytes - offset, 512),
      ivTweak: 0,
    });
  });
}

function checked(diskBytes: number, meaning: Meaning): Meaning {
  const { id, cipher, keyBytes, sectorSize, offset, bytes } = meaning;
  require(uuidPattern.test(id), "its UUID is malformed");
  const lengths = Object.hasOwn(cipherKeys, cipher) ? cipherKeys[cipher] : undefined;
  require(lengths !== undefined, "its cipher is not in the list");
  require(lengths?.includes(keyBytes) === true, "its key has not the cipher's length");
  require(offset % 512 === 0, "its data begins within a sector");
  require(bytes > 0 && bytes % sectorSize === 0, "its size is not in whole sectors");
  require(offset + bytes <= diskBytes, "its data goes past the disk's end");
  return meaning;
}

function wholeSectors(bytes: number, sectorSize: number): number {
  return bytes - (bytes % sectorSize);
}

function decimal(value: unknown): number {
  require(typeof value === "string" && /^(0|[1-9]\d{0,15})$/.test(value), "a number is malformed");
  return Number(value);
}

/** A text up to its NUL; of a field without one, all of it. */
function fieldOf(bytes: Buffer, offset: number, length: number): string {
  return bytes.toString("latin1", offset, offset + length).replace(/\0.*$/s, "");
}

function require(condition: boolean, problem: string): void {
  if (!condition) throw new Unsound(problem);
}
