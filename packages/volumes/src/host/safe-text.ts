import { resolve } from "node:path";
import type { SegmentCipher, Uuid } from "@chatelaine/luks";
import { VolumeError } from "../model/errors.ts";

// Text that becomes part of a device-mapper table, of a program's arguments or of XML has one of these types. Only the
// functions here make them, by validation or escaping. Uuid and SegmentCipher come from the header's validator.

declare const brand: unique symbol;

/** Of a device-mapper mapping: neither dmsetup's syntax nor libdevmapper's mangling of names changes it. */
export type MappingName = string & { readonly [brand]: "mapping name" };

/** By which cryptsetup knows a mapping again, such as `CRYPT-LUKS2-…`. */
export type MappingUuid = string & { readonly [brand]: "mapping UUID" };

/** A block device as the kernel numbers it: `MAJOR:MINOR`. */
export type DeviceNumber = string & { readonly [brand]: "device number" };

/** An absolute path, which no program takes for an option. */
export type AbsolutePath = string & { readonly [brand]: "absolute path" };

/** Of a group, volume or pool, a path of both, or a tag, by LVM's own rules (lvm(8)). */
export type LvmName = string & { readonly [brand]: "LVM name" };

/** What follows `--option=`. */
export type OptionValue = string & { readonly [brand]: "option value" };

/** Text of an XML element, or of an attribute in apostrophes or quotes. */
export type XmlText = string & { readonly [brand]: "XML text" };

/** One argument of a program, made by {@link words}. */
export type ToolArgument = string & { readonly [brand]: "argument" };

type Insertable =
  | AbsolutePath
  | DeviceNumber
  | LvmName
  | MappingName
  | OptionValue
  | SegmentCipher
  | Uuid
  | number;

/**
 * The arguments of a program: literal words, with validated values between them, such as
 * ``words`remove --retry ${name}` ``.
 *
 * @throws `invalid_argument` for a number that is no whole number, and for a value in the place of an option
 */
export function words(
  literals: TemplateStringsArray,
  ...values: readonly Insertable[]
): readonly ToolArgument[] {
  const done: string[] = [];
  let word: string | undefined;
  for (const [index, literal] of literals.entries()) {
    for (const piece of literal.split(/(\s+)/)) {
      if (piece.trim() !== "") word = `${word ?? ""}${piece}`;
      else if (piece !== "" && word !== undefined) {
        done.push(word);
        word = undefined;
      }
    }
    const value = values[index];
    if (value !== undefined) word = `${word ?? ""}${insertable(value, word === undefined)}`;
  }
  if (word !== undefined) done.push(word);
  return done as readonly string[] as readonly ToolArgument[];
}

/** @throws `invalid_argument` */
export function mappingName(text: string): MappingName {
  if (/^[A-Za-z0-9#+.:=@_][A-Za-z0-9#+.:=@_-]{0,126}$/.test(text) && !/^\.{1,2}$/.test(text)) {
    return text as MappingName;
  }
  throw new VolumeError(
    "invalid_argument",
    `map: ${JSON.stringify(text).slice(0, 140)}: a mapping's name has 1 to 127 letters, digits or any of #+.:=@_-, and no - first`,
  );
}

/** As cryptsetup makes it: of the LUKS version, the UUID without hyphens, and the mapping's name. */
export function luksMappingUuid(version: 1 | 2, uuid: Uuid, name: MappingName): MappingUuid {
  return `CRYPT-LUKS${version}-${uuid.replaceAll("-", "")}-${name}` as MappingUuid;
}

/** As cryptsetup makes it for a disk without a header. */
export function plainMappingUuid(name: MappingName): MappingUuid {
  return `CRYPT-PLAIN-${name}` as MappingUuid;
}

/** makedev(3) of Linux: twelve bits of major number, twenty of minor. */
export function deviceNumber(rdev: number): DeviceNumber {
  const major = Math.floor(rdev / 256) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return `${major}:${minor}` as DeviceNumber;
}

/** A relative path is taken from the working directory. @throws `invalid_argument` for one with a NUL */
export function absolutePath(path: string): AbsolutePath {
  if (!path.includes("\0")) return resolve(path) as AbsolutePath;
  throw new VolumeError("invalid_argument", "path: it has a NUL");
}

/** LVM's own rule for names (lvm(8)), without a leading hyphen or dot. @throws `invalid_argument` */
export function lvmName(what: string, text: string): LvmName {
  if (/^[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,126}$/.test(text)) return text as LvmName;
  const shown = JSON.stringify(text).slice(0, 140);
  throw new VolumeError("invalid_argument", `${what} ${shown}: is no name for LVM`);
}

/** `GROUP/NAME` */
export function lvmPath(group: LvmName, name: LvmName): LvmName {
  return `${group}/${name}` as LvmName;
}

/** @throws `invalid_argument` for a text with control characters */
export function optionValue(what: string, text: string): OptionValue {
  if (!/\p{Cc}/u.test(text)) return text as OptionValue;
  throw new VolumeError("invalid_argument", `${what}: it has control characters`);
}

/**
 * Escapes a text for XML.
 *
 * @throws `invalid_argument` for a text with control characters, for which XML 1.0 has no form
 */
export function xmlText(what: string, text: string): XmlText {
  if (/\p{Cc}|\p{Cs}|[\ufffe\uffff]/u.test(text)) {
    throw new VolumeError("invalid_argument", `${what}: it has characters that XML cannot say`);
  }
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&apos;") as XmlText;
}

function insertable(value: Insertable, isFirst: boolean): string {
  const text = String(value);
  const isWhole = typeof value !== "number" || (Number.isSafeInteger(value) && value >= 0);
  if (isWhole && text !== "" && !(isFirst && text.startsWith("-"))) return text;
  throw new VolumeError("invalid_argument", `argument ${JSON.stringify(text)}: is not a value`);
}
