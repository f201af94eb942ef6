import { randomFillSync } from "node:crypto";
import type { BlockDevice } from "../device.ts";
import { LuksError } from "../errors.ts";
import { type BinaryHeader, binaryHeaderBytes, renderHeader } from "./binary-header.ts";
import { type Luks2Header, loadLuks2 } from "./load.ts";
import type { Luks2Metadata } from "./metadata.ts";
import { metadataProblem } from "./validate.ts";

/**
 * Writes both copies of a header, the first durable before the second begins: whatever byte a cut falls on,
 * one copy is intact, with either the old or the new content.
 *
 * @param secondaryFirst to be set where only the primary copy is intact
 * @throws `no_space` if the JSON area is too small for `metadata`
 */
export async function writeCopies(
  operation: string,
  device: BlockDevice,
  header: Omit<BinaryHeader, "salt" | "offset">,
  metadata: Luks2Metadata,
  secondaryFirst = false,
): Promise<Luks2Header> {
  const json = Buffer.from(JSON.stringify(metadata));
  // The area ends with at least one NUL, for readers that take it for a C string.
  if (json.length >= header.headerSize - binaryHeaderBytes) {
    throw new LuksError("no_space", `${operation} ${device.name}: the JSON area is full`);
  }
  const problem = metadataProblem(JSON.parse(json.toString()), header.headerSize);
  if (problem)
    throw new LuksError("corrupt_header", `${operation} ${device.name}: would write ${problem}`);
  const copies = [0, header.headerSize].map((offset) => ({
    ...header,
    offset,
    salt: randomFillSync(new Uint8Array(64)),
  }));
  for (const copy of secondaryFirst ? copies.toReversed() : copies) {
    await device.write(copy.offset, renderHeader(copy, json));
    await device.sync();
  }
  return {
    binary: copies[0] as BinaryHeader,
    metadata,
    copies: { primary: "ok", secondary: "ok" },
  };
}

/**
 * Replaces the header that `loaded` was read from.
 *
 * @throws `changed` if it is not the one on the device any more
 */
export async function replaceHeader(
  operation: string,
  device: BlockDevice,
  loaded: Luks2Header,
  metadata: Luks2Metadata,
  change: Partial<Pick<BinaryHeader, "label" | "subsystem" | "uuid">> = {},
): Promise<Luks2Header> {
  const now = await loadLuks2(operation, device);
  if (
    now.binary.sequence !== loaded.binary.sequence ||
    Buffer.compare(now.binary.salt, loaded.binary.salt) !== 0
  ) {
    throw new LuksError("changed", `${operation} ${device.name}: somebody else wrote the header`);
  }
  const { salt: _salt, offset: _offset, ...binary } = loaded.binary;
  const sequence = loaded.binary.sequence + 1;
  const secondaryFirst = now.copies.secondary !== "ok";
  return writeCopies(
    operation,
    device,
    { ...binary, ...change, sequence },
    metadata,
    secondaryFirst,
  );
}
