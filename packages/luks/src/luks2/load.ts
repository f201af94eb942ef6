import type { BlockDevice } from "../device/device.ts";
import { requireNoForeignSignature } from "../device/foreign-signature.ts";
import { LuksError } from "../errors.ts";
import type { CopyState } from "../format/header.ts";
import { shownText } from "../texts/plain-texts.ts";
import {
  type BinaryHeader,
  binaryHeaderBytes,
  hasValidChecksum,
  headerSizes,
  parseBinaryHeader,
} from "./binary-header.ts";
import { parseBoundedJson } from "./bounded-json.ts";
import type { Luks2Metadata } from "./metadata.ts";
import { metadataProblem } from "./validate.ts";

/** A LUKS2 header as found on a device. */
export interface Luks2Header {
  readonly binary: BinaryHeader;
  readonly metadata: Luks2Metadata;
  /** The JSON text that `metadata` was parsed from. */
  readonly text: string;
  /** The state of both copies: the newest valid one was taken. */
  readonly copies: { readonly primary: CopyState; readonly secondary: CopyState };
}

type Copy = Omit<Luks2Header, "copies">;

/**
 * Reads the newer intact copy of a LUKS2 header (LUKS2 On-Disk Format, section 2.3).
 *
 * @throws `not_luks` if there is no LUKS2 here; `corrupt_header` if there is and no copy is intact; `ambiguous` if only
 *   the second is, and the device holds something else
 */
export async function loadLuks2(operation: string, device: BlockDevice): Promise<Luks2Header> {
  for (let tries = 1; ; tries++) {
    const primary = await readCopy(device, 0);
    const secondary = await readSecondary(device, primary);
    const newest = newer(primary.copy, secondary.copy);
    if (newest !== undefined) {
      if (!primary.isWhole) await requireCurrent(operation, device, newest.binary);
      requireRoom(operation, device, newest);
      const stateOf = (copy: Copy | undefined): CopyState =>
        !copy ? "damaged" : copy.binary.sequence < newest.binary.sequence ? "stale" : "ok";
      const copies = { primary: stateOf(primary.copy), secondary: stateOf(secondary.copy) };
      return { ...newest, copies };
    }
    const problem = primary.problem ?? secondary.problem;
    if (problem === undefined)
      throw new LuksError("not_luks", `${operation} ${device.name}: no LUKS2 header`);
    if (tries === mostTries)
      throw new LuksError("corrupt_header", `${operation} ${device.name}: ${problem}`);
  }
}

/** @throws `corrupt_header` for a device that was cut, or a header that lies */
function requireRoom(operation: string, device: BlockDevice, { binary, metadata }: Copy): void {
  const end = 2 * binary.headerSize + Number(metadata.config.keyslots_size);
  if (device.size >= end) return;
  throw new LuksError(
    "corrupt_header",
    `${operation} ${device.name}: ends inside the key slots area`,
  );
}

/** A copy that is being written while we read it looks damaged. One that is damaged looks so each time. */
const mostTries = 4;

/** Where whole second copies lie on a device whose first copy may be gone, in bytes. */
export async function secondaryOffsets(device: BlockDevice): Promise<readonly number[]> {
  const found = await wholeSecondaries(device);
  return found.flatMap(({ binary }) => (binary ? [binary.offset] : []));
}

/**
 * The second copy lies where the first says, if the first is whole. If not, its size may be what is damaged, so that
 * the second is looked for in every legal place. There it counts only if it is whole and says that it belongs there:
 * the data of a disk may hold headers of other disks, as an image in a file.
 *
 * Of several, as formats of other header sizes leave them, the one is taken that the damaged first copy speaks of.
 */
async function readSecondary(device: BlockDevice, primary: Found): Promise<Found> {
  const expected = primary.binary;
  if (primary.isWhole && expected) return readCopy(device, expected.headerSize);
  const rank = ({ binary, copy }: Found) =>
    (copy ? 4 : 0) +
    (binary?.uuid === expected?.uuid ? 2 : 0) +
    (binary?.headerSize === expected?.headerSize ? 1 : 0);
  const found = await wholeSecondaries(device);
  return found.toSorted((a, b) => rank(b) - rank(a))[0] ?? {};
}

async function wholeSecondaries(device: BlockDevice): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const offset of headerSizes) found.push(await readCopy(device, offset));
  return found.filter(({ isWhole }) => isWhole);
}

/** The second copy alone may be what is left of a disk that is something else now. */
async function requireCurrent(
  operation: string,
  device: BlockDevice,
  { uuid, offset }: BinaryHeader,
): Promise<void> {
  const luks = `LUKS2 of UUID ${shownText(uuid)}, whose second header at byte ${offset} alone is whole`;
  await requireNoForeignSignature(operation, device, luks);
}

function newer(primary: Copy | undefined, secondary: Copy | undefined): Copy | undefined {
  if (!primary || !secondary) return primary ?? secondary;
  return primary.binary.sequence >= secondary.binary.sequence ? primary : secondary;
}

interface Found {
  /** A plausible binary part, intact or not. */
  readonly binary?: BinaryHeader;
  /** Its checksum is right, whatever its JSON says. */
  readonly isWhole?: boolean;
  readonly copy?: Copy;
  readonly problem?: string;
}

async function readCopy(device: BlockDevice, offset: number): Promise<Found> {
  const start = await readUpTo(device, offset, binaryHeaderBytes);
  if (!start) return {};
  const binary = parseBinaryHeader(start, offset);
  if (!binary) {
    const announced = offset === 0 && start[0] === 0x4c && start[7] === 2;
    return announced ? { problem: "the binary header is damaged" } : {};
  }
  const bytes = await readUpTo(device, offset, binary.headerSize);
  if (!bytes) return { binary, problem: "the device ends inside the header" };
  if (!hasValidChecksum(bytes, binary)) return { binary, problem: "wrong header checksum" };
  const area = parseBoundedJson(bytes.subarray(binaryHeaderBytes));
  if (!area)
    return { binary, isWhole: true, problem: "the JSON area is not a bounded JSON object" };
  const problem = metadataProblem(area.value, binary.headerSize);
  if (problem) return { binary, isWhole: true, problem };
  const metadata = area.value as unknown as Luks2Metadata;
  return { binary, isWhole: true, copy: { binary, metadata, text: area.text } };
}

async function readUpTo(
  device: BlockDevice,
  offset: number,
  length: number,
): Promise<Uint8Array | undefined> {
  if (offset + length > device.size) return undefined;
  const bytes = new Uint8Array(length);
  await device.read(offset, bytes);
  return bytes;
}
