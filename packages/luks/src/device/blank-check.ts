import { LuksError } from "../errors.ts";
import { recognise } from "./data-signatures.ts";
import type { BlockDevice } from "./device.ts";

const mebibyte = 1024 * 1024;

/** In `holds` and `allowDestroyingData`: bytes that are not zero, where nothing is recognised. */
export const unrecognisedData = "unrecognised";

/**
 * Refuses a device that holds anything: a signature we know, or a byte other than zero in its first
 * mebibyte, in what is about to be overwritten, or in its last mebibyte. If all that it holds is
 * named in `allowed`, those places are overwritten with zeroes instead.
 *
 * @param overwritten how many bytes from the start the caller will write
 * @throws `holds_data` with what was found; nothing was written
 */
export async function requireBlank(
  operation: string,
  device: BlockDevice,
  overwritten: number,
  allowed: readonly string[],
): Promise<void> {
  const headEnd = Math.min(device.size, Math.max(mebibyte, overwritten));
  const tailStart = Math.max(headEnd, device.size - mebibyte);
  const used = [
    ...(await usedChunks(device, 0, headEnd)),
    ...(await usedChunks(device, tailStart, device.size)),
  ];
  const recognised = await recognise(device);
  const holds = recognised.length === 0 && used.length > 0 ? [unrecognisedData] : recognised;
  if (!holds.every((kind) => allowed.includes(kind))) {
    throw new LuksError(
      "holds_data",
      `${operation} ${device.name}: holds data (${holds.join(", ")})`,
      { holds },
    );
  }
  for (const { offset, length } of used) await device.write(offset, new Uint8Array(length));
}

async function usedChunks(
  device: BlockDevice,
  start: number,
  end: number,
): Promise<{ offset: number; length: number }[]> {
  const used = [];
  const zeroes = new Uint8Array(mebibyte);
  const chunk = new Uint8Array(mebibyte);
  for (let offset = start; offset < end; offset += mebibyte) {
    const length = Math.min(mebibyte, end - offset);
    await device.read(offset, chunk.subarray(0, length));
    if (Buffer.compare(chunk.subarray(0, length), zeroes.subarray(0, length)) !== 0) {
      used.push({ offset, length });
    }
  }
  return used;
}
