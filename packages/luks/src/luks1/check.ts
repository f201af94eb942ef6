import { isComputable } from "../crypto/cipher-spec.ts";
import { isNullCipher, segmentCipher, segmentCiphers } from "../crypto/cipher-table.ts";
import { hashNameOf } from "../crypto/hashes.ts";
import { LuksError } from "../errors.ts";
import type { ProvenHeader } from "../format/checked-header.ts";
import { cryptsetupAdvice, isKernelCipher } from "../format/cryptsetup-advice.ts";
import type { LuksHeader } from "../format/header.ts";
import { requirePlainTexts, shownText } from "../texts/plain-texts.ts";
import { parseUuid } from "../texts/uuid.ts";
import type { Luks1Header } from "./binary-header.ts";

/**
 * Decides whether a LUKS1 header may be opened and mapped; `parseLuks1` has checked its shape.
 *
 * @param described the same header
 * @throws as `checkLuks2`
 */
export function checkLuks1(
  operation: string,
  name: string,
  header: Luks1Header,
  described: LuksHeader,
  deviceBytes: number,
): ProvenHeader {
  const refuse = (reason: string) =>
    new LuksError("untrusted_header", `${operation} ${name}: ${reason}`);
  const unsupported = (reason: string) =>
    new LuksError("unsupported", `${operation} ${name}: ${reason}`);
  const { cipherName, cipherMode, hash, uuid: text } = header;
  requirePlainTexts(operation, name, [cipherName, cipherMode, hash, text]);
  const uuid = parseUuid(text);
  if (!uuid) throw refuse("its UUID is not a lower-case RFC 4122 UUID");
  const advice = cryptsetupAdvice(name, 1, uuid);
  const cipher = segmentCipher(described.cipher);
  if (isNullCipher(described.cipher)) throw refuse("it has a null cipher, which encrypts nothing");
  const row = segmentCiphers.get(described.cipher);
  if (!cipher || !row) {
    const shown = `"${shownText(described.cipher)}"`;
    const end = isKernelCipher(described.cipher) ? advice : "";
    throw unsupported(`it has the unknown cipher ${shown}${end}`);
  }
  const { volumeKeyBitLength, dataOffset, sectorSize } = described;
  if (!row.keyBitLengths.includes(volumeKeyBitLength)) {
    throw refuse(`a volume key of ${volumeKeyBitLength} bits does not fit ${cipher}`);
  }
  if (!hashNameOf(hash)) {
    throw unsupported(`the hash "${shownText(hash)}" is not supported${advice}`);
  }
  return {
    ...described,
    uuid,
    cipher,
    segment: {
      offset: dataOffset,
      size: "dynamic",
      cipher,
      sectorSize,
      ivTweak: 0,
      integrity: undefined,
    },
    digest: {
      number: 0,
      hash,
      iterations: header.digestIterations,
      salt: Buffer.from(header.digestSalt).toString("hex"),
      value: Buffer.from(header.digest).toString("hex"),
    },
    // The slots have the cipher and the key length of the data.
    waysIn: isComputable(cipher, volumeKeyBitLength)
      ? described.keyslots.map(({ slot }) => slot)
      : [],
    mappingFlags: [],
    deviceBytes,
  };
}
