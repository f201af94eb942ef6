import { randomFillSync } from "node:crypto";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import { type BinaryHeader, binaryHeaderBytes, renderHeader } from "./binary-header.ts";
import { parseBoundedJson } from "./bounded-json.ts";
import { type Luks2Header, loadLuks2 } from "./load.ts";
import { mergeJson } from "./merge-json.ts";
import type { Luks2Metadata } from "./metadata.ts";
import { metadataProblem } from "./validate.ts";

/** How a header is written. */
export interface WriteOptions {
  /** The JSON text of the header that this one replaces: what has not changed is written as it is spelled there. */
  readonly source?: string | undefined;
  /** JSON texts of objects that `source` does not have, such as a new token. */
  readonly texts?: ReadonlyMap<unknown, string> | undefined;
  /** To be set where only the primary copy is intact. Default false. */
  readonly secondaryFirst?: boolean;
}

/**
 * Writes both copies of a header, the first durable before the second begins: whatever byte a cut falls on,
 * one copy is intact, with either the old or the new content.
 *
 * @throws `no_space` if the JSON area is too small for `metadata`; `invalid_argument` for JSON that no reader would take
 */
export async function writeCopies(
  operation: string,
  device: BlockDevice,
  header: Omit<BinaryHeader, "salt" | "offset">,
  metadata: Luks2Metadata,
  { source, texts, secondaryFirst = false }: WriteOptions = {},
): Promise<Luks2Header> {
  const text = source === undefined ? JSON.stringify(metadata) : mergeJson(source, metadata, texts);
  const json = Buffer.from(text);
  const area = new Uint8Array(header.headerSize - binaryHeaderBytes);
  // The area ends with at least one NUL, for readers that take it for a C string.
  if (json.length >= area.length) {
    throw new LuksError("no_space", `${operation} ${device.name}: the JSON area is full`);
  }
  area.set(json);
  const written = parseBoundedJson(area);
  if (!written) {
    throw new LuksError(
      "invalid_argument",
      `${operation} ${device.name}: the header's JSON would be too deep, or have too many values`,
    );
  }
  const problem = metadataProblem(written.value, header.headerSize);
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
    text,
    copies: { primary: "ok", secondary: "ok" },
  };
}

/**
 * Replaces the header that `loaded` was read from. What `metadata` and `change` leave as it is stays byte for byte.
 *
 * @param texts see {@link WriteOptions}
 * @throws `changed` if it is not the one on the device any more
 */
export async function replaceHeader(
  operation: string,
  device: BlockDevice,
  loaded: Luks2Header,
  metadata: Luks2Metadata,
  change: Partial<Pick<BinaryHeader, "label" | "subsystem" | "uuid">> = {},
  texts?: ReadonlyMap<unknown, string>,
): Promise<Luks2Header> {
  const now = await requireUnchanged(operation, device, loaded);
  const { salt: _salt, offset: _offset, ...binary } = loaded.binary;
  const sequence = loaded.binary.sequence + 1;
  const secondaryFirst = now.copies.secondary !== "ok";
  return writeCopies(operation, device, { ...binary, ...change, sequence }, metadata, {
    source: loaded.text,
    texts,
    secondaryFirst,
  });
}

/**
 * Looks whether the header on the device is still the one that `loaded` was read from.
 *
 * @returns it
 * @throws `changed`
 */
export async function requireUnchanged(
  operation: string,
  device: BlockDevice,
  loaded: Luks2Header,
): Promise<Luks2Header> {
  const now = await loadLuks2(operation, device);
  const isSame =
    now.binary.sequence === loaded.binary.sequence &&
    Buffer.compare(now.binary.salt, loaded.binary.salt) === 0;
  if (isSame) return now;
  throw new LuksError(
    "changed",
    `${operation} ${device.name}: another process changed the header in the meantime: try again`,
  );
}
