import { LuksError } from "../errors.ts";

/** What kept a key slot from being tried, with the disk and the slot: key derivation knows neither. */
export function slotError(operation: string, name: string, slot: number, error: LuksError) {
  const { code, message } = error;
  return new LuksError(code, `${operation} ${name}: key slot ${slot}: ${message}`, {
    cause: error,
  });
}
