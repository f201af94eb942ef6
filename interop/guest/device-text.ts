import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";

/** Writes text at the beginning of a device; it has reached the disk when this returns. */
export function write(device: string, text: string): void {
  const file = openSync(device, "r+");
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
}

export function read(device: string, length: number): string {
  const file = openSync(device, "r");
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, 0);
  closeSync(file);
  return bytes.toString();
}
