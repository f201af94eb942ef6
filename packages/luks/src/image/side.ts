import type { CheckedHeader } from "../checked/checked-header.ts";
import { LuksError } from "../errors.ts";
import type { SideCipher } from "./transfer.ts";

/** The encryption of a disk's data. @throws `unsupported` for a disk with integrity */
export function sideOf(operation: string, header: CheckedHeader, key: Uint8Array): SideCipher {
  const { cipher, sectorSize, ivTweak, integrity } = header.segment;
  if (integrity !== undefined) {
    throw new LuksError("unsupported", `${operation}: dm-integrity, which only the kernel reads`);
  }
  return { cipher, key: Uint8Array.from(key), sectorSize, ivTweak };
}
