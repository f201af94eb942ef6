import { InvalidArgumentError } from "commander";

const units = ["", "K", "M", "G", "T"] as const;

/** Bytes of `64M`, `1G` or `1073741824`; units are powers of 1024, as cryptsetup's and LVM's. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const bytes = Number(match?.[1]) * 1024 ** units.indexOf((match?.[2]?.toUpperCase() ?? "") as "");
  if (match === null || !Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new InvalidArgumentError("give a size such as 64M, 10G or a number of bytes");
  }
  return bytes;
}

/** `1 GiB`, `1.5 MiB`: with as many digits as it takes, at most two. */
export function showSize(bytes: number): string {
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const scaled = Math.round((bytes / 1024 ** power) * 100) / 100;
  return `${scaled} ${power === 0 ? "bytes" : `${units[power]}iB`}`;
}

/** A whole number, at least 1. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new InvalidArgumentError("give a whole number, at least 1");
  return count;
}

/** A TCP port; 0 for any that is free. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new InvalidArgumentError("give a port from 1 to 65535, or 0 for any that is free");
  return port;
}
