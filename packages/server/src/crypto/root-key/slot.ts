import type { SecretBytes } from "@chatelaine/keys/interface";
import { RootKeyError } from "./root-key-error.ts";

/** What an administrator gives to seal the root key, by name: a path, a device, an address. */
export type SlotParameters = Readonly<Record<string, string>>;

/** A sealed root key: the kind of its slot, and what that kind needs to open it. It is stored in clear. */
export type SealedRootKey = Readonly<Record<string, string>> & { readonly kind: string };

/**
 * One kind of way to the root key: a file, a setting, later an HSM. The root key has slots as a LUKS disk has: any one of
 * them opens it at the start, and from then on the key is in the server's memory, in a ring.
 *
 * `conformance/` has the promises that every kind keeps.
 */
export interface RootKeySlotKind {
  readonly kind: string;

  /**
   * Seals the root key. What it returns is stored, and is harmless without what opens it.
   *
   * @throws RootKeyError
   */
  seal(
    parameters: SlotParameters,
    rootKey: SecretBytes,
    signal: AbortSignal,
  ): Promise<SealedRootKey>;

  /**
   * Opens what {@link seal} returned. Whether it is the key that the database was written with, the ring checks.
   *
   * @throws RootKeyError `absent`, `refused`, `wrong_key` or `unavailable`; other slots are tried then
   */
  open(sealed: SealedRootKey, signal: AbortSignal): Promise<SecretBytes>;
}

/** @throws RootKeyError `unavailable` */
export function throwIfAborted(kind: string, signal: AbortSignal): void {
  if (signal.aborted)
    throw new RootKeyError("unavailable", `root key slot ${kind}: aborted`, {
      cause: signal.reason,
    });
}

/** The named fields of a record. @throws RootKeyError `refused` if it is of another kind, or a field is missing */
export function fieldsOf<Name extends string>(
  kind: string,
  record: SlotParameters,
  ...names: readonly Name[]
): Readonly<Record<Name, string>> {
  if (record["kind"] !== undefined && record["kind"] !== kind)
    throw new RootKeyError(
      "refused",
      `root key slot ${kind}: the record is of kind ${record["kind"]}`,
    );
  const fields = names.map((name) => {
    const value = record[name];
    if (typeof value === "string" && value !== "") return [name, value] as const;
    throw new RootKeyError("refused", `root key slot ${kind}: ${name} is missing`);
  });
  return Object.fromEntries(fields) as Record<Name, string>;
}
