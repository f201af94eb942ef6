import { cryptsetupAdvice } from "../format/cryptsetup-advice.ts";
import type { Luks2Header } from "./load.ts";

/**
 * Says that a drive encrypts its data by itself (TCG OPAL, in LUKS2 since cryptsetup 2.7), and which command unlocks it;
 * undefined for every other disk.
 *
 * @param path of the header's device, as the user gave it
 */
export function selfEncrypting(
  path: string,
  { binary, metadata }: Luks2Header,
): string | undefined {
  const types = new Set(Object.values(metadata.segments).map(({ type }) => type));
  if (!types.has("hw-opal") && !types.has("hw-opal-crypt")) return undefined;
  const how = types.has("hw-opal-crypt") ? "its drive encrypts it, too" : "its drive encrypts it";
  const advice = cryptsetupAdvice(path, 2, binary.uuid);
  return `${how} (OPAL), and only cryptsetup 2.7 or newer unlocks the drive${advice}`;
}
