import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { Write } from "../../packages/luks/test/hostile/luks2-draft.ts";

/** What opens every image, unless the image says otherwise. */
export const passphrase: Uint8Array = Buffer.from("00112233445566778899aabbccddeeff");

/** A LUKS header to be judged by cryptsetup and by us. */
export interface Image {
  /** The place in the header that is special in it. Outcomes are counted by it. */
  readonly field: string;
  /** Tells the images of a field apart. */
  readonly value: string;
  /** A valid image must be accepted and open in both; a changed one may be valid or not. */
  readonly kind: "valid" | "changed";
  /** Default {@link passphrase}. */
  readonly passphrase?: Uint8Array;
  /** The header is a file of its own. */
  readonly detached?: true;
  /** It takes a cipher of the kernel, or device-mapper: it is judged in the guest kernel. */
  readonly inGuest?: true;
  /** Writes the image. @param path of a file that may hold another image */
  readonly write: (path: string) => Promise<void> | void;
}

/** `FIELD: VALUE`, under which differences are listed. */
export function nameOf({ field, value }: Pick<Image, "field" | "value">): string {
  return `${field}: ${value}`;
}

/** The parts of a disk that are not zero. */
export interface Disk {
  /** Of the whole disk. */
  readonly bytes: number;
  readonly writes: readonly Write[];
}

/** Writes a sparse file. What lies past the disk's end is left out. */
/** The device of a detached header's data, which nobody reads here. */
export function writeBlankData(path: string): void {
  writeDisk(`${path}.data`, { bytes: 32 << 20, writes: [] });
}

export function writeDisk(path: string, { bytes, writes }: Disk): void {
  const file = openSync(path, "w");
  try {
    ftruncateSync(file, bytes);
    for (const { offset, bytes: part } of writes) {
      const fits = part.subarray(0, Math.max(0, bytes - offset));
      if (fits.length > 0) writeSync(file, fits, 0, fits.length, offset);
    }
  } finally {
    closeSync(file);
  }
}
