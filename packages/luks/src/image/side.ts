import { LuksError } from "../errors.ts";
import type { LuksHeader } from "../header.ts";
import type { SideCipher } from "./transfer.ts";

/** The encryption of a disk's only segment. @throws `unsupported` for a disk of several, or with integrity */
export function sideOf(operation: string, header: LuksHeader, key: Uint8Array): SideCipher {
  const [segment, ...others] = header.segments;
  if (!segment || others.length > 0 || segment.type !== "crypt") {
    throw new LuksError("unsupported", `${operation}: the disk has not just one encrypted segment`);
  }
  const { cipher, sectorSize, ivTweak, hasIntegrity } = segment;
  if (hasIntegrity) {
    throw new LuksError("unsupported", `${operation}: dm-integrity, which only the kernel reads`);
  }
  return { cipher, key: Uint8Array.from(key), sectorSize, ivTweak };
}

/** Bytes of data behind a header on a device of so many bytes. @throws `too_small` */
export function dataBytes(
  operation: string,
  name: string,
  header: LuksHeader,
  deviceBytes: number,
): number {
  const [segment] = header.segments;
  const room = deviceBytes - header.dataOffset;
  const bytes =
    segment && segment.size !== "dynamic" ? segment.size : room - (room % header.sectorSize);
  if (bytes > room || bytes < 0) {
    throw new LuksError("too_small", `${operation} ${name}: ends before its data does`);
  }
  return bytes;
}
