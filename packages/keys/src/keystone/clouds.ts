import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { KeyManagerError } from "../errors.ts";
import { suggestion } from "../options.ts";
import { type CloudSettings, type CloudValues, cloudSettings } from "./cloud-settings.ts";

/** A cloud's name, and where its clouds.yaml is looked for. */
export interface CloudLocation {
  /** A name under `clouds:`. */
  readonly cloud: string;
  /** For `OS_CLIENT_CONFIG_FILE`, `OS_CLIENT_SECURE_FILE` and `XDG_CONFIG_HOME`. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  readonly workingDirectory: string;
  readonly homeDirectory: string;
}

type Mapping = Readonly<Record<string, unknown>>;

/**
 * Reads one cloud from the first clouds.yaml on openstacksdk's search path, with
 * the secrets of the first secure.yaml laid over it
 * (https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html).
 *
 * @throws `invalid_argument` that names the file and what is wrong with it.
 */
export function cloudFromFiles(location: CloudLocation): CloudSettings {
  const { cloud, environment = {} } = location;
  const found = firstFile(location, environment["OS_CLIENT_CONFIG_FILE"], "clouds");
  if (found === undefined) {
    throw invalid(
      `cloud "${cloud}"`,
      `no clouds.yaml found; looked for ${searchPath(location, "clouds").join(", ")}`,
    );
  }
  const secure = firstFile(location, environment["OS_CLIENT_SECURE_FILE"], "secure");
  const open = cloudIn(found, cloud);
  if (open === undefined) {
    const known = Object.keys(mapping(found, "clouds", found.content["clouds"]));
    if (known.length === 0) throw invalid(found.path, "it has no clouds");
    throw invalid(found.path, `it has no cloud "${cloud}"${suggestion(cloud, known)}`);
  }
  const merged = merge(open, secure === undefined ? {} : (cloudIn(secure, cloud) ?? {}));
  if (merged["profile"] !== undefined && merged["auth"] === undefined) {
    throw invalid(
      found.path,
      `cloud "${cloud}" names a vendor profile: write its auth section out instead`,
    );
  }
  return cloudSettings(`cloud "${cloud}" of ${found.path}`, flat(found, merged));
}

interface File {
  readonly path: string;
  readonly content: Mapping;
}

function searchPath(
  { workingDirectory, homeDirectory, environment = {} }: CloudLocation,
  stem: string,
): string[] {
  const userConfiguration = environment["XDG_CONFIG_HOME"] || join(homeDirectory, ".config");
  return [workingDirectory, join(userConfiguration, "openstack"), "/etc/openstack"].flatMap(
    (directory) => ["yaml", "yml", "json"].map((ending) => join(directory, `${stem}.${ending}`)),
  );
}

function firstFile(
  location: CloudLocation,
  override: string | undefined,
  stem: string,
): File | undefined {
  if (override !== undefined && override !== "") {
    const file = readFile(override);
    if (file === undefined)
      throw invalid(override, "no such file, though the environment names it");
    return file;
  }
  for (const path of searchPath(location, stem)) {
    const file = readFile(path);
    if (file !== undefined) return file;
  }
  return undefined;
}

function readFile(path: string): File | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw invalid(path, `cannot be read: ${code ?? "unknown error"}`);
  }
  let content: unknown;
  try {
    // Every scalar as it is written: a password of digits is no number.
    content = parse(text, {
      schema: "failsafe",
      merge: true,
      maxAliasCount: 100,
      logLevel: "error",
    });
  } catch (error) {
    // The parser's message quotes the line, which may hold a password: only its place is told.
    const line = (error as { linePos?: readonly { readonly line: number }[] }).linePos?.[0]?.line;
    throw invalid(path, `it is no valid YAML${line === undefined ? "" : `: see line ${line}`}`);
  }
  return { path, content: mapping({ path }, "the file", content) };
}

function cloudIn(file: File, cloud: string): Mapping | undefined {
  const clouds = mapping(file, "clouds", file.content["clouds"]);
  return Object.hasOwn(clouds, cloud) ? mapping(file, `clouds.${cloud}`, clouds[cloud]) : undefined;
}

function merge(base: Mapping, over: Mapping): Mapping {
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const both = isMapping(merged[name]) && isMapping(value);
    merged[name] = both ? merge(merged[name] as Mapping, value) : value;
  }
  return merged;
}

/** The cloud's own values with those of its `auth` section beside them. */
function flat(file: File, cloud: Mapping): CloudValues {
  const auth = mapping(file, "auth", cloud["auth"]);
  const values: Record<string, string> = {};
  for (const [name, value] of [...Object.entries(cloud), ...Object.entries(auth)]) {
    if (typeof value === "string" && !isNothing(value)) values[name] = value;
  }
  return values;
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What YAML has for "no value". */
function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === "" || value === "~" || value === "null";
}

function mapping(file: Pick<File, "path">, subject: string, value: unknown): Mapping {
  if (isNothing(value)) return {};
  if (!isMapping(value)) throw invalid(file.path, `${subject} must be a mapping`);
  return value;
}

function invalid(subject: string, reason: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", `${subject}: ${reason}`);
}
