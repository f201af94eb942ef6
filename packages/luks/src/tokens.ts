import { type DeviceReference, withDevice } from "./device.ts";
import { LuksError } from "./errors.ts";
import type { TokenEntry } from "./header.ts";
import { loadLuks2 } from "./luks2/load.ts";
import { type LuksToken, maxEntries } from "./luks2/metadata.ts";
import { replaceHeader } from "./luks2/store.ts";
import { checkedToken } from "./luks2/token.ts";
import { requireUsable } from "./luks2/usable.ts";
import { readLuks } from "./read.ts";

/** The tokens in a header, by number; none in LUKS1. @throws what `readLuks` throws */
export async function listTokens(device: DeviceReference): Promise<readonly TokenEntry[]> {
  return (await readLuks(device)).tokens;
}

/**
 * Stores a token under the lowest free number.
 *
 * @returns its number
 * @throws `no_space` if there are 32 or the JSON area is full; `no_such_slot` if it refers to one
 */
export async function addToken(device: DeviceReference, token: LuksToken): Promise<number> {
  const operation = "add token";
  return withDevice(operation, device, "write", async (opened) => {
    const header = await loadLuks2(operation, opened);
    requireUsable(operation, opened.name, header);
    const { tokens, keyslots } = header.metadata;
    const id = Array.from({ length: maxEntries }, (_, number) => number).find(
      (number) => !Object.hasOwn(tokens, number),
    );
    if (id === undefined) {
      throw new LuksError(
        "no_space",
        `${operation} ${opened.name}: has ${maxEntries} tokens already`,
      );
    }
    const stored = checkedToken(operation, token, Object.keys(keyslots));
    await replaceHeader(operation, opened, header, {
      ...header.metadata,
      tokens: { ...tokens, [id]: stored },
    });
    return id;
  });
}

/** @throws `no_such_token` */
export async function removeToken(device: DeviceReference, id: number): Promise<void> {
  const operation = "remove token";
  await withDevice(operation, device, "write", async (opened) => {
    const header = await loadLuks2(operation, opened);
    requireUsable(operation, opened.name, header);
    const { [String(id)]: removed, ...tokens } = header.metadata.tokens;
    if (!removed)
      throw new LuksError("no_such_token", `${operation} ${opened.name}: there is no token ${id}`);
    await replaceHeader(operation, opened, header, { ...header.metadata, tokens });
  });
}
