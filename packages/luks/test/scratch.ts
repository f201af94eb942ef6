import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { LuksError, type LuksErrorCode } from "../src/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "luks-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** A path for a new file, removed when the tests end. */
export function scratchPath(suffix = "img"): string {
  return join(folder, `${files++}.${suffix}`);
}

/** A file of zeroes. */
export function blankFile(bytes: number): string {
  const path = scratchPath();
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

/** For `assert.rejects`: a {@link LuksError} of that code. */
export function luksError(code: LuksErrorCode): (error: unknown) => boolean {
  return (error) => {
    if (error instanceof LuksError && error.code === code) return true;
    throw error;
  };
}

export const mebibyte = 1024 * 1024;

export function passphrase(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
