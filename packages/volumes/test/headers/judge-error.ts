import { refused, type Verdict, violation } from "./verdict.ts";

const typed = new Set(["LuksError", "VolumeError", "KeyManagerError"]);

/** What a terminal, a log or a reader would take for something else than text. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

const mostLetters = 1000;

/** A refusal is one of our typed errors, in one line that nobody can forge. */
export function judgeError(error: unknown): Verdict {
  if (!(error instanceof Error) || !typed.has(error.name)) {
    return violation(`fails with ${error instanceof Error ? error.name : typeof error}`);
  }
  return judgeMessage(error.message);
}

export function judgeMessage(message: string): Verdict {
  if (unprintable.test(message)) return violation("its error has control characters");
  if (message.length > mostLetters) return violation("its error has no bound");
  return refused;
}
