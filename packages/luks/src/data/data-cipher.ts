import { isComputable } from "../crypto/cipher-spec.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import { cryptsetupAdvice } from "../format/cryptsetup-advice.ts";

/** How the data of a disk is encrypted. */
export interface DataCipher {
  /** dm-crypt's name. */
  readonly cipher: string;
  readonly key: Uint8Array;
  readonly sectorSize: number;
  /** Added to each sector's number. */
  readonly ivTweak: number;
}

/**
 * Refuses a disk whose data only the kernel can read. Call it before any work begins.
 *
 * @param name of the device
 * @throws `unsupported`
 */
export function requireReadable(operation: string, name: string, header: CheckedHeader): void {
  const { segment, volumeKeyBitLength, version, uuid } = header;
  const advice = cryptsetupAdvice(name, version, uuid);
  const refuse = (reason: string) =>
    new LuksError("unsupported", `${operation} ${name}: ${reason}${advice}`);
  if (segment.integrity !== undefined) throw refuse("only the kernel can read its dm-integrity");
  if (isComputable(segment.cipher, volumeKeyBitLength)) return;
  throw refuse(
    `its cipher "${segment.cipher}" with a key of ${volumeKeyBitLength} bits is not supported`,
  );
}

/** The encryption of a disk's data. @throws as {@link requireReadable} */
export function dataCipherOf(
  operation: string,
  name: string,
  header: CheckedHeader,
  key: Uint8Array,
): DataCipher {
  requireReadable(operation, name, header);
  const { cipher, sectorSize, ivTweak } = header.segment;
  return { cipher, key: Uint8Array.from(key), sectorSize, ivTweak };
}
