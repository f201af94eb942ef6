import { isJsonObject } from "./bounded-json.ts";
import { type Luks2Metadata, maxEntries } from "./metadata.ts";

/** The most that cryptsetup grants the key slots area. */
export const maxKeyslotsBytes = 128 * 1024 * 1024;

type Json = Record<string, unknown>;

/**
 * Checks a JSON area against LUKS2 On-Disk Format, section 3: shapes, ranges, references, and that no two
 * areas overlap. What passes can be used without further checks.
 *
 * @returns what is wrong, or undefined if all is well
 */
export function metadataProblem(json: Json, headerSize: number): string | undefined {
  for (const name of ["keyslots", "tokens", "segments", "digests", "config"]) {
    if (!isJsonObject(json[name])) return `no ${name}`;
  }
  const { keyslots, tokens, segments, digests } = json as Record<string, Json>;
  return (
    configProblem(json["config"] as Json, headerSize) ??
    eachEntry("keyslot", keyslots as Json, keyslotProblem) ??
    eachEntry("token", tokens as Json, (token) => tokenProblem(token, keyslots as Json)) ??
    eachEntry("segment", segments as Json, segmentProblem) ??
    eachEntry("digest", digests as Json, (digest) =>
      digestProblem(digest, keyslots as Json, segments as Json),
    ) ??
    boundProblem(json as unknown as Luks2Metadata) ??
    areaProblem(json as unknown as Luks2Metadata, headerSize)
  );
}

/** Decimal digits of a number that JavaScript holds exactly; undefined for all else. */
export function parseDecimal(value: unknown): number | undefined {
  if (typeof value !== "string" || !/^(0|[1-9]\d{0,15})$/.test(value)) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** The bytes of canonical base64, between `least` and `most` of them. */
export function isBase64(value: unknown, least: number, most: number): value is string {
  if (typeof value !== "string" || value.length > most * 2) return false;
  const bytes = Buffer.from(value, "base64");
  return bytes.length >= least && bytes.length <= most && bytes.toString("base64") === value;
}

function eachEntry(
  what: string,
  entries: Json,
  problemOf: (entry: Json) => string | undefined,
): string | undefined {
  for (const [id, entry] of Object.entries(entries)) {
    const number = parseDecimal(id);
    // The id itself stays out of the message: it may have lines, or a terminal's commands.
    if (number === undefined || number >= maxEntries) return `a ${what} has a bad number`;
    if (!isJsonObject(entry)) return `${what} ${id}: no object`;
    const problem = problemOf(entry);
    if (problem) return `${what} ${id}: ${problem}`;
  }
  return undefined;
}

function configProblem(config: Json, headerSize: number): string | undefined {
  if (parseDecimal(config["json_size"]) !== headerSize - 4096) return "config: bad json_size";
  const size = parseDecimal(config["keyslots_size"]);
  if (size === undefined || size % 4096 !== 0 || size > maxKeyslotsBytes) {
    return "config: bad keyslots_size";
  }
  if (config["flags"] !== undefined && !isStrings(config["flags"])) return "config: bad flags";
  const requirements = config["requirements"];
  if (requirements === undefined) return undefined;
  if (!isJsonObject(requirements)) return "config: bad requirements";
  const mandatory = requirements["mandatory"];
  return mandatory === undefined || isStrings(mandatory) ? undefined : "config: bad requirements";
}

function keyslotProblem(slot: Json): string | undefined {
  const area = slot["area"];
  if (!isName(slot["type"])) return "no type";
  if (!isInteger(slot["key_size"], 1, 512)) return "bad key_size";
  if (!isJsonObject(area) || typeof area["type"] !== "string") return "no area";
  if (parseDecimal(area["offset"]) === undefined) return "bad area offset";
  if (parseDecimal(area["size"]) === undefined) return "bad area size";
  const priority = slot["priority"];
  if (priority !== undefined && !isInteger(priority, 0, 2)) return "bad priority";
  return slot["type"] === "luks2" ? luks2KeyslotProblem(slot, area) : undefined;
}

const knownKdfs = new Set(["pbkdf2", "argon2i", "argon2id"]);

function luks2KeyslotProblem(slot: Json, area: Json): string | undefined {
  const { af, kdf } = slot;
  if (area["type"] !== "raw") return "bad area type";
  if (!isName(area["encryption"])) return "no area encryption";
  if (!isInteger(area["key_size"], 1, 512)) return "bad area key_size";
  if (!isJsonObject(af) || af["type"] !== "luks1" || !isName(af["hash"])) return "bad af";
  if (!isInteger(af["stripes"], 1, 65_536)) return "bad af stripes";
  const material = roundUp((slot["key_size"] as number) * af["stripes"], 512);
  if (material > (parseDecimal(area["size"]) ?? 0)) return "area smaller than its key material";
  if (!isJsonObject(kdf) || !isName(kdf["type"])) return "bad kdf";
  // One that we do not know keeps only its own slot from opening.
  if (!knownKdfs.has(kdf["type"])) return undefined;
  if (!isName(kdf["salt"])) return "bad kdf";
  if (kdf["type"] === "pbkdf2") {
    return isName(kdf["hash"]) && isInteger(kdf["iterations"], 1, 2 ** 32 - 1)
      ? undefined
      : "bad pbkdf2";
  }
  const { time, memory, cpus } = kdf;
  return isInteger(time, 1, 2 ** 32 - 1) &&
    isInteger(memory, 8, 2 ** 32 - 1) &&
    isInteger(cpus, 1, 255) &&
    memory >= 8 * cpus
    ? undefined
    : "bad argon2";
}

function tokenProblem(token: Json, keyslots: Json): string | undefined {
  if (typeof token["type"] !== "string" || token["type"] === "") return "no type";
  return referenceProblem(token["keyslots"], keyslots);
}

function segmentProblem(segment: Json): string | undefined {
  if (!isName(segment["type"])) return "no type";
  if (parseDecimal(segment["offset"]) === undefined) return "bad offset";
  const size = segment["size"];
  if (size !== "dynamic" && !parseDecimal(size)) return "bad size";
  if (segment["flags"] !== undefined && !isStrings(segment["flags"])) return "bad flags";
  if (segment["type"] !== "crypt") return undefined;
  if (parseDecimal(segment["iv_tweak"]) === undefined) return "bad iv_tweak";
  if (!isName(segment["encryption"])) return "no encryption";
  const sectorSize = segment["sector_size"];
  if (![512, 1024, 2048, 4096].includes(sectorSize as number)) return "bad sector_size";
  if (size !== "dynamic" && (parseDecimal(size) ?? 0) % (sectorSize as number) !== 0)
    return "bad size";
  return undefined;
}

function digestProblem(digest: Json, keyslots: Json, segments: Json): string | undefined {
  if (!isName(digest["type"])) return "no type";
  const problem =
    referenceProblem(digest["keyslots"], keyslots) ??
    referenceProblem(digest["segments"], segments);
  if (problem || digest["type"] !== "pbkdf2") return problem;
  if (typeof digest["hash"] !== "string") return "no hash";
  if (!isInteger(digest["iterations"], 1, 2 ** 32 - 1)) return "bad iterations";
  if (!isBase64(digest["salt"], 8, 512)) return "bad salt";
  return isBase64(digest["digest"], 16, 64) ? undefined : "bad digest";
}

/** Each slot proves its key by one digest, no more and no less. */
function boundProblem({ keyslots, digests }: Luks2Metadata): string | undefined {
  for (const [id, { type }] of Object.entries(keyslots)) {
    const proofs = Object.values(digests).filter((digest) => digest.keyslots.includes(id));
    if (proofs.length > 1) return `keyslot ${id}: has ${proofs.length} digests`;
    if (type === "luks2" && proofs.length === 0) return `keyslot ${id}: has no digest`;
  }
  return undefined;
}

function referenceProblem(ids: unknown, entries: Json): string | undefined {
  if (!isStrings(ids)) return "bad references";
  const missing = ids.find((id) => !Object.hasOwn(entries, id));
  return missing === undefined ? undefined : "refers to what is not there";
}

/** Key slot areas lie inside the key slots area and apart from each other; data lies behind, or is detached. */
function areaProblem(metadata: Luks2Metadata, headerSize: number): string | undefined {
  const start = 2 * headerSize;
  const end = start + Number(metadata.config.keyslots_size);
  const areas = Object.values(metadata.keyslots)
    .map(({ area }) => ({ from: Number(area.offset), to: Number(area.offset) + Number(area.size) }))
    .toSorted((a, b) => a.from - b.from);
  let free = start;
  for (const area of areas) {
    if (area.from < free || area.to > end) return "keyslot areas overlap or leave their place";
    free = area.to;
  }
  const segments = Object.values(metadata.segments);
  const first = Math.min(...segments.map((segment) => Number(segment.offset)));
  if (segments.length > 0 && first !== 0 && first < end) return "data overlaps the key slots area";
  return undefined;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isInteger(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
