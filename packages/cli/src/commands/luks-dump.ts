import { type KeyslotInfo, type LuksHeader, parseChatelaineToken } from "@chatelaine/luks";
import { record, withoutControls } from "../terminal/output.ts";

/** A header for people, in the order and words of `cryptsetup luksDump`. */
export function dumpText(header: LuksHeader): string {
  const { copies } = header;
  return [
    "LUKS header information\n",
    record({
      Version: header.version,
      Epoch: header.version === 2 ? header.sequence : undefined,
      UUID: header.uuid,
      Label: header.version === 2 ? header.label || "(no label)" : undefined,
      Subsystem: header.version === 2 ? header.subsystem || "(no subsystem)" : undefined,
      Flags: header.flags.length > 0 ? header.flags.join(" ") : undefined,
      Requirements: header.requirements.length > 0 ? header.requirements.join(" ") : undefined,
      "Header copies":
        copies.secondary && `primary ${copies.primary}, secondary ${copies.secondary}`,
    }),
    ...(header.warnings.length > 0 ? ["\nWarnings:\n"] : []),
    ...header.warnings.map((warning) => `  ${withoutControls(warning)}\n`),
    "\nData segments:\n",
    ...header.segments.map((segment, index) =>
      section(`${index}: ${segment.type}`, {
        offset: `${segment.offset} [bytes]`,
        length: segment.size === "dynamic" ? "(whole device)" : `${segment.size} [bytes]`,
        cipher: segment.cipher,
        sector: `${segment.sectorSize} [bytes]`,
        integrity: segment.hasIntegrity ? "dm-integrity" : undefined,
      }),
    ),
    "\nKeyslots:\n",
    ...header.keyslots.map((slot) =>
      section(`${slot.slot}: ${slot.type}${slot.isBound ? "" : " (unbound)"}`, {
        Key: `${slot.volumeKeyBitLength} bits`,
        Priority: slot.priority,
        ...keyLines(slot),
        "Area offset": `${slot.areaOffset} [bytes]`,
        "Area length": `${slot.areaSize} [bytes]`,
        Ignored: slot.ignored,
      }),
    ),
    header.version === 2 ? "\nTokens:\n" : "",
    ...header.tokens.map(({ id, token }) => {
      const ours = parseChatelaineToken(token);
      return section(`${id}: ${token.type}`, {
        Keyslot: token.keyslots.join(" "),
        Object: ours?.object,
        Created: ours?.created.toISOString(),
      });
    }),
    "\nDigests:\n",
    ...header.digests.map((digest) =>
      section(`${digest.digest}: ${digest.type}`, {
        Hash: digest.hash,
        Iterations: digest.iterations,
        Keyslots: digest.keyslots.join(" "),
      }),
    ),
  ].join("");
}

/** A slot of an unknown kind, or one that holds the state of a re-encryption, has no key material. */
function keyLines(slot: KeyslotInfo): Record<string, string | number | undefined> {
  const { areaCipher, areaKeyBitLength, afStripes, afHash } = slot;
  return {
    Cipher: areaCipher || undefined,
    "Cipher key": areaKeyBitLength > 0 ? `${areaKeyBitLength} bits` : undefined,
    ...kdfLines(slot),
    "AF stripes": afStripes > 0 ? afStripes : undefined,
    "AF hash": afHash || undefined,
  };
}

function kdfLines({ kdf, kdfType }: KeyslotInfo): Record<string, string | number | undefined> {
  if (!kdf) return { PBKDF: kdfType === "" ? "(none)" : `${kdfType} (unsupported)` };
  if (kdf.type === "pbkdf2") {
    return { PBKDF: kdf.type, Hash: kdf.hash, Iterations: kdf.iterations };
  }
  const { type, passes, memoryKiB, lanes } = kdf;
  return { PBKDF: type, "Time cost": passes, Memory: `${memoryKiB} KiB`, Threads: lanes };
}

function section(
  title: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
): string {
  const indented = record(attributes).replace(/^(?=.)/gm, "\t");
  return record({ [`  ${title}`]: "" }).trimEnd() + `\n${indented}`;
}
