import { stat } from "node:fs/promises";
import {
  type CheckedHeader,
  type FinishReencryptionOptions,
  finishReencryption,
  type ImageProgress,
  LuksError,
  type LuksHeader,
  type Uuid,
} from "@chatelaine/luks";
import { VolumeError } from "../model/errors.ts";
import { removeLeftDevices } from "./cut-reencryption.ts";
import { blockDeviceOf } from "./disk-use.ts";
import { runTool } from "./run-tool.ts";
import { absolutePath, type ToolArgument, words } from "./safe-text.ts";

/** cryptsetup's own re-encryption of a LUKS2 disk is under way. */
export function isReencrypting({ requirements }: LuksHeader): boolean {
  return requirements.some((requirement) => requirement.startsWith("online-reencrypt"));
}

/** @throws `unsupported` if it is not installed */
export async function requireCryptsetup(): Promise<void> {
  await runTool("cryptsetup", words`--version`);
}

export interface ReencryptMappedOptions {
  /** As it was checked: the cipher and the length of the volume key stay, whatever the disk says by then. */
  readonly header: CheckedHeader;
  /** The slot that the passphrase opens. All others go. */
  readonly slot: number;
  readonly onProgress: (progress: ImageProgress) => void;
}

/**
 * Gives a LUKS2 disk a new volume key while its plaintext is in use, by cryptsetup. The
 * header keeps what a resumption needs, whatever dies.
 *
 * cryptsetup reads and writes the disk's own header: check the layout afterwards.
 *
 * @throws `unsupported`; `busy` or `tool_failed` while another cryptsetup works on it
 */
export async function reencryptMapped(
  path: string,
  passphrase: Uint8Array,
  { header, slot, onProgress }: ReencryptMappedOptions,
): Promise<void> {
  // The passphrase is a key's text, which needs no stretching.
  const how = words`--key-slot ${slot} --pbkdf pbkdf2 --pbkdf-force-iterations 1000`;
  const data = words`--cipher ${header.cipher} --key-size ${header.volumeKeyBitLength}`;
  await reencrypt(path, passphrase, [...how, ...data], onProgress);
}

export interface ResumeMappedOptions extends Pick<ReencryptMappedOptions, "onProgress"> {
  /** The disk's. */
  readonly uuid: Uuid;
  /** See `finishReencryption`. */
  readonly before: NonNullable<FinishReencryptionOptions["before"]>;
}

/**
 * Goes on with a re-encryption that was cut. Where only its last header is missing, cryptsetup cannot, and we write it.
 *
 * @throws as {@link reencryptMapped}; `busy` if the volume must be closed first
 */
export async function resumeMapped(
  path: string,
  passphrase: Uint8Array,
  { uuid, before, onProgress }: ResumeMappedOptions,
): Promise<void> {
  await removeLeftDevices(uuid);
  if (await finish(path, passphrase, before)) return;
  const run = reencrypt(path, passphrase, words`--resume-only`, onProgress);
  await run.catch((cause: unknown) => {
    // It cannot take over a mapping under which a killed one has its devices.
    if (!(cause instanceof VolumeError) || cause.code !== "tool_failed") throw cause;
    throw new VolumeError("tool_failed", `${cause.message}; ${remedy}`, { cause });
  });
}

const remedy = "if no cryptsetup works on it, close the volume and recover again";

async function finish(
  path: string,
  passphrase: Uint8Array,
  before: ResumeMappedOptions["before"],
): Promise<boolean> {
  return finishReencryption(path, passphrase, { before }).catch((cause: unknown) => {
    if (!(cause instanceof LuksError) || cause.code !== "busy") throw cause;
    throw new VolumeError("busy", `${cause.message}; ${remedy}`, { cause });
  });
}

async function reencrypt(
  path: string,
  passphrase: Uint8Array,
  how: readonly ToolArgument[],
  onProgress: (progress: ImageProgress) => void,
): Promise<void> {
  const device = absolutePath((await blockDeviceOf(path)) ?? path);
  // Nothing shows a file without a loop device: cryptsetup wants to be told so.
  const offline = (await stat(device)).isFile() ? words`--force-offline-reencrypt` : [];
  const progress = words`--progress-json --progress-frequency 1`;
  const to = words`--key-file=- ${device}`;
  const all = [...words`reencrypt --batch-mode`, ...how, ...offline, ...progress, ...to];
  const onLine = (line: string) => report(line, onProgress);
  await runTool("cryptsetup", all, { input: passphrase, outlivesUs: true, onLine });
}

/** A line such as `{"device":"/dev/sda","device_bytes":"4096","device_size":"8192",…}`. */
function report(line: string, onProgress: (progress: ImageProgress) => void): void {
  const number = (name: string) => Number(new RegExp(`"${name}":"(\\d+)"`).exec(line)?.[1]);
  const [doneBytes, totalBytes] = [number("device_bytes"), number("device_size")];
  if (Number.isSafeInteger(doneBytes) && Number.isSafeInteger(totalBytes)) {
    onProgress({ doneBytes, totalBytes });
  }
}
