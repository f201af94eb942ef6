import type { StoredObject } from "@chatelaine/keys/interface";
import { lendMangledPassphrase, lendPassphrase } from "../key/passphrase.ts";
import { slotsOpenedBy } from "./slots.ts";

/**
 * Lends the passphrase by which a key opens a disk that others made: its
 * hexadecimal text, or else that text as it was mangled in OpenStack until 2016.
 *
 * @param use is told which slots it opens; none if neither opens any
 */
export async function lendOpener<T>(
  path: string,
  key: StoredObject,
  use: (passphrase: Uint8Array, slots: readonly number[]) => Promise<T>,
): Promise<T> {
  const lend = async (passphrase: Uint8Array) =>
    use(passphrase, await slotsOpenedBy(path, passphrase));
  if (key.type === "passphrase") return lendPassphrase(key, lend);
  const opens = await lendPassphrase(key, (passphrase) => slotsOpenedBy(path, passphrase));
  if (opens.length > 0) return lendPassphrase(key, (passphrase) => use(passphrase, opens));
  return lendMangledPassphrase(key, lend);
}
