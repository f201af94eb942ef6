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
      "of the new slot's passphrase: from 128 on the slot needs no slow derivation",
      parseNumber,
    )
    .option(
      "--allow-empty-passphrase",
      "the new slot's passphrase may be empty: everybody who has the disk can open it",
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
