import { createHash } from "node:crypto";
import { LuksError } from "../errors.ts";
import { shellWord } from "../texts/shell-word.ts";
import type { BlockDevice } from "./device.ts";

// While the data of an image is encrypted or decrypted in place, the image is neither raw nor LUKS. Its journal knows that,
// and lies elsewhere: the image may be renamed, used through another link, or overwritten with a backup. So the image says
// it of itself, in a block at its beginning, and no other program takes it for anything.

/** What the block says. */
export interface InPlaceMark {
  readonly operation: "encrypt" | "decrypt";
  /** Of the work, 32 hexadecimal digits. The journal has the same. */
  readonly id: string;
}

/** The block. Most of it is zero, so that no program finds another format's signature in it. */
export const markBytes = 4096;
/** The mark is in the first sector of the block. */
const sectorBytes = 512;
/** SHA-256 over the sector's bytes before it. */
const digestOffset = sectorBytes - 64;
/** A copy of the first bytes that the block covers, for an expert who has lost the journal. */
const keptOffset = 2048;
const keptBytes = 1024;

/** What the block begins with. */
export const inPlaceMagic = "CHATELAINE IN-PLACE WORK 1";
const form =
  /^CHATELAINE IN-PLACE WORK 1\noperation: (encrypt|decrypt)\nid: ([\da-f]{32})\n(?:[^\0]*)\0+$/;

/**
 * The block of 4,096 bytes.
 *
 * @param covered the first bytes that the image has there, to be kept in the block: of a LUKS header, never of plaintext
 */
export function markBlock(
  { operation, id }: InPlaceMark,
  covered: Uint8Array = new Uint8Array(),
): Uint8Array {
  const block = Buffer.alloc(markBytes);
  block.write(
    `${inPlaceMagic}\noperation: ${operation}\nid: ${id}\n` +
      'Half of this disk\'s data is encrypted. Do not write to it. Finish the work with "chatelaine luks resume".\n',
    "latin1",
  );
  digestOf(block).copy(block, digestOffset);
  Buffer.from(covered.subarray(0, keptBytes)).copy(block, keptOffset);
  return block;
}

/** Writes the block, its first sector first. Durable when it resolves, and can be repeated. */
export async function writeMark(image: BlockDevice, block: Uint8Array): Promise<void> {
  await image.write(0, block.subarray(0, sectorBytes));
  await image.sync();
  await image.write(0, block);
  await image.sync();
}

/**
 * Refuses an image with a mark, even a damaged one.
 *
 * @throws `in_reencryption`
 */
export async function refuseMarked(operation: string, image: BlockDevice): Promise<void> {
  if (image.size < sectorBytes) return;
  const sector = Buffer.alloc(sectorBytes);
  await image.read(0, sector);
  const text = sector.toString("latin1", 0, digestOffset);
  if (!text.startsWith(inPlaceMagic)) return;
  const isWhole = Buffer.compare(digestOf(sector), digestIn(sector)) === 0;
  const verb = (isWhole && form.exec(text)?.[1]) || "encrypt or decrypt";
  const word = shellWord(image.name);
  throw new LuksError(
    "in_reencryption",
    `${operation} ${image.name}: chatelaine has begun to ${verb} it in place and has not finished: ` +
      `run "chatelaine luks resume ${word}" ("chatelaine recover" for a volume); the journal is the folder ${word}.chatelaine, ` +
      "under the name that the disk had then, or the one that --journal named",
  );
}

function digestOf(sector: Buffer): Buffer {
  return createHash("sha256").update(sector.subarray(0, digestOffset)).digest();
}

function digestIn(sector: Buffer): Buffer {
  return sector.subarray(digestOffset, digestOffset + 32);
}
