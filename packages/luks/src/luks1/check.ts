import type { ProvenHeader } from "../checked/checked-header.ts";
import { requirePlainTexts, shownText } from "../checked/texts.ts";
import { parseUuid } from "../checked/uuid.ts";
import { keyBitLengths, parseCipher } from "../cipher/cipher-spec.ts";
import { isNullCipher, segmentCipher, segmentCiphers } from "../cipher/cipher-table.ts";
import { LuksError } from "../errors.ts";
import type { LuksHeader } from "../header.ts";
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
  const { cipherName, cipherMode, uuid: text } = header;
  requirePlainTexts(operation, name, [cipherName, cipherMode, text]);
  const uuid = parseUuid(text);
  if (!uuid) throw refuse("its UUID is not a lower-case RFC 4122 UUID");
  const cipher = segmentCipher(described.cipher);
  if (isNullCipher(described.cipher)) throw refuse("it has a null cipher, which encrypts nothing");
  const row = segmentCiphers.get(described.cipher);
  if (!cipher || !row) {
    const shown = `"${shownText(described.cipher)}"`;
    throw new LuksError("unsupported", `${operation} ${name}: it has the unknown cipher ${shown}`);
  }
  const { volumeKeyBitLength, dataOffset, sectorSize } = described;
  if (!row.keyBitLengths.includes(volumeKeyBitLength)) {
    throw refuse(`a volume key of ${volumeKeyBitLength} bits does not fit ${cipher}`);
  }
  // The slots have the cipher and the key length of the data.
  const opens =
    row.read && keyBitLengths(parseCipher(operation, cipher)).includes(volumeKeyBitLength);
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
      hash: header.hash,
      iterations: header.digestIterations,
      salt: Buffer.from(header.digestSalt).toString("hex"),
      value: Buffer.from(header.digest).toString("hex"),
    },
    waysIn: opens ? described.keyslots.map(({ slot }) => slot) : [],
    mappingFlags: [],
    deviceBytes,
  };
}
