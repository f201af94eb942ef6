import { type DeviceReference, withDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { TokenEntry } from "../format/header.ts";
import type { LuksToken } from "../format/luks-token.ts";
import { firstFree } from "../luks2/checked-disk.ts";
import { maxEntries } from "../luks2/metadata.ts";
import { checkedToken } from "../luks2/token.ts";
import { loadLuks2Disk } from "./load.ts";
import { readLuks } from "./read.ts";

/** The tokens in a header, by number; none in LUKS1. @throws what `readLuks` throws */
export async function listTokens(device: DeviceReference): Promise<readonly TokenEntry[]> {
  return (await readLuks(device)).tokens;
}

/**
 * Stores a token under the lowest free number.
 *
 * @param token as an object, or as its JSON text, which is stored byte for byte: give tokens of other programs as text,
 *   since a JavaScript number rounds integers beyond 2^53
 *
 * @returns its number
 * @throws `no_space` if there are 32 or the JSON area is full; `no_such_slot` if it refers to one;
 *   `unsupported` on LUKS1
 */
export async function addToken(
  device: DeviceReference,
  token: LuksToken | string,
): Promise<number> {
  const operation = "add token";
  return withDevice(operation, device, "write", async (opened) => {
    const disk = await loadLuks2Disk(operation, opened);
    const { tokens, keyslots } = disk.raw.metadata;
    const id = firstFree(tokens);
    if (id === undefined) {
      throw new LuksError(
        "no_space",
        `${operation} ${opened.name}: has ${maxEntries} tokens already`,
      );
    }
    const stored = checkedToken(operation, token, Object.keys(keyslots));
    const texts = new Map<unknown, string>([[stored.token, stored.text]]);
    await disk.change(operation, { tokens: { ...tokens, [id]: stored.token } }, {}, texts);
    return id;
  });
}

/** @throws `no_such_token`; `unsupported` on LUKS1 */
export async function removeToken(device: DeviceReference, id: number): Promise<void> {
  const operation = "remove token";
  await withDevice(operation, device, "write", async (opened) => {
    const disk = await loadLuks2Disk(operation, opened);
    const { [String(id)]: removed, ...tokens } = disk.raw.metadata.tokens;
    if (!removed) {
      throw new LuksError("no_such_token", `${operation} ${opened.name}: there is no token ${id}`);
    }
    await disk.change(operation, { tokens });
  });
}
