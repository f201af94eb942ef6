import type { SecretBytes } from "@chatelaine/keys/interface";
import { decodeRootKey } from "../ring.ts";
import { RootKeyError } from "../root-key-error.ts";
import { fieldsOf, type RootKeySlotKind, throwIfAborted } from "../slot.ts";

const kind = "value";

/**
 * The root key is a setting, 32 bytes in base64, from an environment variable or the configuration file. The administrator
 * keeps it; nothing is written.
 *
 * @param value undefined if the setting is not set
 */
export function valueSlotKind(value: SecretBytes | undefined): RootKeySlotKind {
  const decoded = (): SecretBytes => {
    if (value !== undefined) return value.useText((text) => decodeRootKey(text.trim(), "root key"));
    throw new RootKeyError("absent", "root key: rootKey.value is not set");
  };
  return {
    kind,
    seal: async (parameters, rootKey, signal) => {
      throwIfAborted(kind, signal);
      fieldsOf(kind, parameters);
      if (decoded().equals(rootKey)) return { kind };
      throw new RootKeyError(
        "refused",
        "root key: rootKey.value is another key: set it to the key, and try again",
      );
    },
    open: async (sealed, signal) => {
      throwIfAborted(kind, signal);
      fieldsOf(kind, sealed);
      return decoded();
    },
  };
}
