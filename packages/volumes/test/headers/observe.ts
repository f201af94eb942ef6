import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { Observation } from "./judge-mapped.ts";
import { type CryptLine, type KernelMapping, parseCryptLine, tableOf } from "./kernel-table.ts";
import { encrypt, readMedium, writtenBytes } from "./medium.ts";
import { type SceneDisk, sceneDiskBytes } from "./scene.ts";

/**
 * Tells all mappings of this kernel, and takes them away, used or not. Starts no program where there is none: in the
 * guest, that takes longer than all else.
 */
export function takeMappings(): readonly KernelMapping[] {
  const found = mappingNames().map(describe);
  if (found.length === 0) return [];
  const script = "dmsetup table --showkeys; dmsetup remove_all --force";
  const { stdout, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
  if (mappingNames().length > 0) throw new Error(`dmsetup remove_all: some are left: ${stderr}`);
  return found.map((mapping) => ({ ...mapping, lines: tableOf(mapping.name, stdout) }));
}

function mappingNames(): readonly string[] {
  return readdirSync(blockFolder).filter((name) => name.startsWith("dm-"));
}

const blockFolder = "/sys/class/block";

function describe(kernelName: string): Omit<KernelMapping, "lines"> {
  const folder = `${blockFolder}/${kernelName}`;
  const attribute = (path: string) => readFileSync(`${folder}/${path}`, "utf8").trim();
  return {
    name: attribute("dm/name"),
    uuid: attribute("dm/uuid"),
    dependencies: readdirSync(`${folder}/slaves`).map((slave) => attribute(`slaves/${slave}/dev`)),
  };
}

/** Looks for what was written to a mapping on the medium beneath. */
export function lookFor(
  plaintext: Uint8Array,
  disk: SceneDisk,
  mappings: readonly KernelMapping[],
): Observation["written"] {
  const line = parseCryptLine(mappings[0]?.lines[0] ?? "");
  if (line === undefined) return undefined;
  const medium = readMedium(disk.path, sceneDiskBytes);
  const expected = encryptedAs(disk, line, plaintext);
  const found = medium.subarray(line.offset * 512, line.offset * 512 + writtenBytes);
  return {
    isInTheClear: medium.includes(plaintext.subarray(0, 64)),
    isEncryptedWithTheKey: expected === undefined ? undefined : found.equals(expected),
  };
}

function encryptedAs(
  { volumeKey }: SceneDisk,
  { cipher, options, ivOffset }: CryptLine,
  plaintext: Uint8Array,
): Uint8Array | undefined {
  const sectorSize = options.find((option) => option.startsWith("sector_size:"));
  return encrypt(plaintext, {
    cipher,
    key: Buffer.from(volumeKey, "hex"),
    sectorSize: Number(sectorSize?.slice("sector_size:".length) ?? 512),
    firstSector: ivOffset,
  });
}
