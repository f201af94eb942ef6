import { isDeepStrictEqual } from "node:util";
import { shellWord } from "../texts/shell-word.ts";
import { finishedReencryption, isBackup, isDataFinal } from "./finished-reencryption.ts";
import type { Luks2Header } from "./load.ts";
import { type Luks2Keyslot, type Luks2Metadata, reencryptionSlotType } from "./metadata.ts";

/** In the header while this library re-encrypts in place, and the data is of two volume keys. */
export const ownReencryptionRequirement = "chatelaine-reencrypt-v1";
/** Of cryptsetup 2.3 and older. */
const legacyRequirement = "offline-reencrypt";
/** Of the part of the disk that was being written when cryptsetup was cut off. */
const cutFlag = "in-reencryption";

/** cryptsetup writes them together with its slot. */
const onlineRequirement = /^online-reencrypt(-v[23])?$/;

const verbs = new Map([
  ["encrypt", "encrypting"],
  ["decrypt", "decrypting"],
  ["reencrypt", "re-encrypting"],
]);
/** What to do where cryptsetup 2.6.1 was killed when all data was done: its resumption fails, or does a part of it twice. */
const endings = new Map([
  [
    "encrypt",
    'all data is encrypted: if "cryptsetup reencrypt --resume-only" fails, "cryptsetup open" opens it; make it another header, ' +
      'as docs/volumes.md says under "A re-encryption that cryptsetup cannot finish"',
  ],
  [
    "decrypt",
    'all data is plain: use it without this header, and do not run "cryptsetup reencrypt --resume-only", which would destroy data',
  ],
]);
const directions = new Set(["forward", "backward"]);
const resiliences = new Set([
  "none",
  "checksum",
  "journal",
  "datashift",
  "datashift-checksum",
  "datashift-journal",
]);

/**
 * What a tool has begun to do to a disk, and the command that finishes it; undefined if no re-encryption is under way.
 * Nothing of the header is repeated that cryptsetup does not write.
 *
 * @param path of the header's device, as the user gave it
 */
export function reencryptionUnderWay(path: string, header: Luks2Header): string | undefined {
  const { metadata } = header;
  const slot = Object.values(metadata.keyslots).find(({ type }) => type === reencryptionSlotType);
  const requirements = metadata.config.requirements?.mandatory ?? [];
  if (!slot && !requirements.some((requirement) => /reencrypt/.test(requirement))) return undefined;
  if (!slot && requirements.includes(ownReencryptionRequirement)) {
    return `chatelaine is re-encrypting it and has not finished: run "chatelaine luks resume ${shellWord(path)}", or "chatelaine recover" if it is a volume`;
  }
  if (!slot && requirements.includes(legacyRequirement)) {
    return `cryptsetup-reencrypt is re-encrypting it and has not finished: run "cryptsetup-reencrypt ${shellWord(path)}", which comes with cryptsetup 2.3 and older`;
  }
  const word = shellWord(path);
  const ours = `"chatelaine recover" if "chatelaine volume reencrypt" began it`;
  if (finishedReencryption(metadata) !== undefined) {
    return (
      `cryptsetup has not finished ${doing(slot)}, but all data has the new key: ` +
      `run "chatelaine luks resume ${word}", or ${ours}; restore no older header backup`
    );
  }
  const ending = isDataFinal(metadata.segments) ? endings.get(modeOf(slot)) : undefined;
  if (ending !== undefined) return `cryptsetup has not finished ${doing(slot)}, but ${ending}`;
  const device = isDetached(header) ? `--header ${word} DATA-DEVICE` : word;
  const orOurs = slot && modeOf(slot) !== "reencrypt" ? "" : `, or ${ours}`;
  const repair = isCut(metadata) ? `"cryptsetup repair ${device}", then ` : "";
  // Without a record of how far it came, 2.6.1 begins again, and ends with success.
  const risk =
    slot?.area.type === "none"
      ? "; if cryptsetup was killed, this encrypts a second time what has the new key already: copy the disk first"
      : "";
  return (
    `cryptsetup is ${doing(slot)} and has not finished: ` +
    `run ${repair}"cryptsetup reencrypt --resume-only ${device}" (on a file, with --force-offline-reencrypt)${orOurs}${risk}`
  );
}

/**
 * True if a header says that cryptsetup is re-encrypting, and a backup of it shows that its data is not of two keys: it
 * has no slot for that, and the same segments with the same digests as the backup. So it is when somebody wrote the
 * requirement by hand, to keep the disk from being opened.
 */
export function isReencryptionUnfounded(present: Luks2Metadata, backup: Luks2Metadata): boolean {
  const requirements = present.config.requirements?.mandatory ?? [];
  return (
    Object.values(present.keyslots).every(({ type }) => type !== reencryptionSlotType) &&
    requirements.every((name) => onlineRequirement.test(name) || !/reencrypt/.test(name)) &&
    Object.values(present.segments).every(({ flags = [] }) => flags.length === 0) &&
    isDeepStrictEqual(present.segments, backup.segments) &&
    isDeepStrictEqual(digestsOfData(present), digestsOfData(backup))
  );
}

/** What proves the keys of the data, whichever slots have them. */
function digestsOfData({ digests }: Luks2Metadata) {
  return Object.values(digests)
    .filter(({ segments }) => segments.length > 0)
    .map(({ keyslots: _keyslots, ...digest }) => digest);
}

/** Such as `re-encrypting it (direction forward, resilience checksum)`. */
function doing(slot: Luks2Keyslot | undefined): string {
  const verb = verbs.get(modeOf(slot)) ?? "re-encrypting";
  const direction = known(directions, stateOf(slot).direction);
  const resilience = known(resiliences, slot?.area.type);
  return `${verb} it (direction ${direction}, resilience ${resilience})`;
}

/** Members that only this type of slot has. */
function stateOf(slot: Luks2Keyslot | undefined) {
  return (slot ?? {}) as { readonly mode?: unknown; readonly direction?: unknown };
}

function modeOf(slot: Luks2Keyslot | undefined): string {
  return known(new Set(verbs.keys()), stateOf(slot).mode);
}

function known(words: ReadonlySet<string>, word: unknown): string {
  return typeof word === "string" && words.has(word) ? word : "unknown";
}

function isCut({ segments }: Luks2Metadata): boolean {
  return Object.values(segments).some(({ flags }) => flags?.includes(cutFlag) === true);
}

/** Data lies where the header would lie, if both were on one device. */
function isDetached({ binary, metadata }: Luks2Header): boolean {
  const end = 2 * binary.headerSize + Number(metadata.config.keyslots_size);
  return Object.values(metadata.segments).some(
    (segment) => !isBackup(segment) && Number(segment.offset) < end,
  );
}
