import { isComputable } from "../crypto/cipher-spec.ts";
import { segmentCiphers } from "../crypto/cipher-table.ts";
import { hashNameOf } from "../crypto/hashes.ts";
import { ivSectorBytes } from "../crypto/sector-cipher.ts";
import { shownText } from "../texts/plain-texts.ts";
import { parseKdf } from "./keyslot.ts";
import { type Luks2Keyslot, reencryptionSlotType } from "./metadata.ts";
import { isBase64 } from "./validate.ts";

/** Why this library does not open a key slot. */
export interface SlotObstacle {
  readonly reason: string;
  /** True for a cipher or hash that cryptsetup may have; false for a slot of a kind that nobody has specified. */
  readonly isForCryptsetup: boolean;
}

/** Of a slot, as every program writes and reads it: section 3.2 has 4,000 stripes alone. */
const [saltBytes, stripes] = [32, 4000];

/**
 * Why this library cannot open a slot; undefined if it can, given the right passphrase. Such a slot is ignored, and kept
 * with its key material as it is.
 */
export function slotObstacle(slot: Luks2Keyslot): SlotObstacle | undefined {
  const { area, af, kdf } = slot;
  const cipher = area.encryption ?? "";
  if (slot.type === reencryptionSlotType) {
    return { reason: "it holds the state of a re-encryption, and no key", isForCryptsetup: false };
  }
  if (slot.type !== "luks2") return unspecified("type", slot.type);
  if (!parseKdf(slot)) {
    return kdf?.type === "pbkdf2"
      ? missing("hash", kdf.hash)
      : unspecified("key derivation", kdf?.type);
  }
  if (!isBase64(kdf?.salt, saltBytes, saltBytes)) return unspecified("salt", kdf?.salt);
  if (!af || !hashNameOf(af.hash)) return missing("splitter hash", af?.hash);
  if (af.stripes !== stripes) return unspecified("number of stripes", String(af.stripes));
  if (Number(area.offset) % ivSectorBytes !== 0) return unspecified("place", area.offset);
  if (!segmentCiphers.get(cipher)?.read) return missing("cipher", cipher);
  const bits = (area.key_size ?? 0) * 8;
  return isComputable(cipher, bits) ? undefined : missing("key length", `${bits} bits`);
}

function unspecified(what: string, text: string | undefined): SlotObstacle {
  return { reason: `unknown ${what} "${shownText(text ?? "")}"`, isForCryptsetup: false };
}

function missing(what: string, text: string | undefined): SlotObstacle {
  return { reason: `unsupported ${what} "${shownText(text ?? "")}"`, isForCryptsetup: true };
}
