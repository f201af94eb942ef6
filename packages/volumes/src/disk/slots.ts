import {
  checkHeader,
  killKeyslot,
  LuksError,
  readLuks,
  removeToken,
  testPassphrase,
} from "@chatelaine/luks";
import { tokensOf } from "./tokens.ts";

/** The key slots of a disk that a passphrase opens, and that open its data. By one reading of the header. */
export async function slotsOpenedBy(
  path: string,
  passphrase: Uint8Array,
  among?: readonly number[],
): Promise<number[]> {
  const header = await checkHeader(path);
  const opened: number[] = [];
  for (const slot of header.waysIn) {
    if (among?.includes(slot) === false) continue;
    try {
      opened.push(await testPassphrase(path, passphrase, { slot, header }));
    } catch (error) {
      if (!isLuks(error, "wrong_passphrase")) throw error;
    }
  }
  return opened;
}

/** Erases key slots, those that are there. @throws `LuksError` `last_slot` */
export async function killSlots(path: string, slots: readonly number[]): Promise<void> {
  for (const slot of slots) {
    await killKeyslot(path, slot).catch((error: unknown) => {
      if (!isLuks(error, "no_such_slot")) throw error;
    });
  }
}

/** Removes what names a key on a disk. LUKS1 has nothing of the kind. */
export async function removeTokensNaming(path: string, keyId: string): Promise<void> {
  for (const { id, object } of tokensOf(await readLuks(path))) {
    if (object === keyId) await removeToken(path, id);
  }
}

function isLuks(error: unknown, ...codes: readonly LuksError["code"][]): boolean {
  return error instanceof LuksError && codes.includes(error.code);
}
