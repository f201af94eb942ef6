import type { BlockDevice } from "../device.ts";
import { LuksError } from "../errors.ts";
import {
  type BinaryHeader,
  binaryHeaderBytes,
  hasValidChecksum,
  headerSizes,
  isSecondaryHeader,
  parseBinaryHeader,
} from "./binary-header.ts";
import { parseBoundedJson } from "./bounded-json.ts";
import type { Luks2Metadata } from "./metadata.ts";
import { metadataProblem } from "./validate.ts";

/** A LUKS2 header as found on a device. */
export interface Luks2Header {
  readonly binary: BinaryHeader;
  readonly metadata: Luks2Metadata;
  /** The state of both copies: the newest valid one was taken. */
  readonly copies: { readonly primary: CopyState; readonly secondary: CopyState };
}

/** `stale` copies are intact and older than the other: a write was cut short. */
export type CopyState = "ok" | "stale" | "damaged";

type Copy = { readonly binary: BinaryHeader; readonly metadata: Luks2Metadata };

/**
 * Reads the newer intact copy of a LUKS2 header (LUKS2 On-Disk Format, section 2.3).
 *
 * @throws `not_luks` if nothing here looks like LUKS2; `corrupt_header` if it does and no copy is intact
 */
export async function loadLuks2(operation: string, device: BlockDevice): Promise<Luks2Header> {
  for (let tries = 1; ; tries++) {
    const [primary, secondary] = await readCopies(device);
    const newest = newer(primary.copy, secondary.copy);
    if (newest !== undefined) {
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

/** A copy that is being written while we read it looks damaged. One that is damaged looks so each time. */
const mostTries = 4;

async function readCopies(device: BlockDevice): Promise<readonly [Found, Found]> {
  const primary = await readCopy(device, 0);
  const offsets = primary.binary ? [primary.binary.headerSize] : headerSizes;
  let secondary: Found = {};
  for (const offset of offsets) {
    secondary = await readCopy(device, offset);
    if (secondary.binary) break;
  }
  return [primary, secondary];
}

function newer(primary: Copy | undefined, secondary: Copy | undefined): Copy | undefined {
  if (!primary || !secondary) return primary ?? secondary;
  return primary.binary.sequence >= secondary.binary.sequence ? primary : secondary;
}

interface Found {
  /** A plausible binary part, intact or not. */
  readonly binary?: BinaryHeader;
  readonly copy?: Copy;
  readonly problem?: string;
}

async function readCopy(device: BlockDevice, offset: number): Promise<Found> {
  const start = await readUpTo(device, offset, binaryHeaderBytes);
  if (!start) return {};
  const binary = parseBinaryHeader(start, offset);
  if (!binary) {
    const announced = offset === 0 ? start[0] === 0x4c && start[7] === 2 : isSecondaryHeader(start);
    return announced ? { problem: "the binary header is damaged" } : {};
  }
  const bytes = await readUpTo(device, offset, binary.headerSize);
  if (!bytes) return { binary, problem: "the device ends inside the header" };
  if (!hasValidChecksum(bytes, binary)) return { binary, problem: "wrong header checksum" };
  const json = parseBoundedJson(bytes.subarray(binaryHeaderBytes));
  if (!json) return { binary, problem: "the JSON area is no bounded JSON object" };
  const problem = metadataProblem(json, binary.headerSize);
  if (problem) return { binary, problem };
  return { binary, copy: { binary, metadata: json as unknown as Luks2Metadata } };
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
