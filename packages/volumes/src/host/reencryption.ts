import { stat } from "node:fs/promises";
import type { ImageProgress, LuksHeader } from "@chatelaine/luks";
import { VolumeError } from "../errors.ts";
import { removeLeftDevices } from "./cut-reencryption.ts";
import { blockDeviceOf } from "./disk-use.ts";
import { runTool } from "./run-tool.ts";

/** cryptsetup's own re-encryption of a LUKS2 disk is under way. */
export function isReencrypting({ requirements }: LuksHeader): boolean {
  return requirements.some((requirement) => requirement.startsWith("online-reencrypt"));
}

/** @throws `unsupported` if it is not installed */
export async function requireCryptsetup(): Promise<void> {
  await runTool("cryptsetup", ["--version"]);
}

export interface ReencryptMappedOptions {
  /** The disk's. */
  readonly uuid: string;
  /** A cut one is gone on with. */
  readonly isBegun: boolean;
  /** The slot that the passphrase opens. All others go. */
  readonly slot: number;
  readonly onProgress: (progress: ImageProgress) => void;
}

/**
 * Gives a LUKS2 disk a new volume key while its plaintext is in use, by cryptsetup. The
 * header keeps what a resumption needs, whatever dies.
 *
 * @throws `unsupported`; `busy` or `tool_failed` while another cryptsetup works on it
 */
export async function reencryptMapped(
  path: string,
  passphrase: Uint8Array,
  { uuid, isBegun, slot, onProgress }: ReencryptMappedOptions,
): Promise<void> {
  if (isBegun) await removeLeftDevices(uuid);
  const device = (await blockDeviceOf(path)) ?? path;
  const words = isBegun
    ? ["--resume-only"]
    : // The passphrase is a key's text, which needs no stretching.
      ["--key-slot", String(slot), "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
  // Nothing shows a file without a loop device: cryptsetup wants to be told so.
  const offline = (await stat(device)).isFile() ? ["--force-offline-reencrypt"] : [];
  const progress = ["--progress-json", "--progress-frequency", "1"];
  await runTool(
    "cryptsetup",
    ["reencrypt", "--batch-mode", ...words, ...offline, ...progress, "--key-file=-", device],
    { input: passphrase, outlivesUs: true, onLine: (line) => report(line, onProgress) },
  ).catch((cause: unknown) => {
    // It cannot take over a mapping under which a killed one has its devices.
    if (!isBegun || !(cause instanceof VolumeError) || cause.code !== "tool_failed") throw cause;
    const remedy = "if no cryptsetup works on it, close the volume and recover again";
    throw new VolumeError("tool_failed", `${cause.message}; ${remedy}`, { cause });
  });
}

/** A line such as `{"device":"/dev/sda","device_bytes":"4096","device_size":"8192",…}`. */
function report(line: string, onProgress: (progress: ImageProgress) => void): void {
  const number = (name: string) => Number(new RegExp(`"${name}":"(\\d+)"`).exec(line)?.[1]);
  const [doneBytes, totalBytes] = [number("device_bytes"), number("device_size")];
  if (Number.isSafeInteger(doneBytes) && Number.isSafeInteger(totalBytes)) {
    onProgress({ doneBytes, totalBytes });
  }
}
