import type { KeyslotSpec } from "@chatelaine/luks";
import { type Command, InvalidArgumentError } from "commander";
import type { NewPassphrase } from "./passphrase-flags.ts";

/** What is said of a key slot that is made. */
export interface SlotFlags {
  readonly entropyBits?: number;
  readonly allowEmptyPassphrase?: boolean;
}

/** `--entropy-bits` and `--allow-empty-passphrase` */
export function addSlotFlags(command: Command): Command {
  return command
    .option(
      "--entropy-bits <bits>",
      "entropy of the new passphrase; 128 or more allows a fast key derivation",
      parseNumber,
    )
    .option(
      "--allow-empty-passphrase",
      "allow an empty new passphrase; anyone with the disk can open it then",
    );
}

/** The slot to make. A passphrase that stays what it was may be empty. */
export function slotOf(
  { passphrase, isSame }: NewPassphrase,
  { entropyBits, allowEmptyPassphrase = isSame }: SlotFlags,
): KeyslotSpec {
  return {
    passphrase,
    ...(entropyBits !== undefined && { entropyBits }),
    ...(allowEmptyPassphrase && { allowEmptyPassphrase }),
  };
}

/** A whole number, 0 included. */
export function parseNumber(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError("give a number");
  return Number(text);
}
