import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SecretBytes } from "@chatelaine/keys/interface";
import { parse } from "yaml";
import { maxJsonBytes } from "../model/body-limits.ts";
import { didYouMean } from "../model/did-you-mean.ts";
import { ServerError } from "../model/server-error.ts";
import { isEveryAddress, parseListenHost } from "./listen-host.ts";
import { type PublicUrl, parsePublicUrl, urlOfListener } from "./public-url.ts";
import { settingFormats } from "./setting-formats.ts";
import {
  flagOf,
  type Setting,
  type SettingName,
  settingNames,
  settings,
  type TextFormat,
  variableOf,
  variablePrefix,
} from "./settings.ts";

/** Where Node.js itself takes options from. */
export function runtimeEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** Where settings come from: flag beats environment beats file. */
export interface ConfigSources {
  /** A YAML file; not read if absent. */
  readonly file?: string;
  /** By flag, such as `--listen-port`, without a value that was not given. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** Default: the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A setting's value and who set it. */
interface Value {
  readonly value: string | number | boolean;
  readonly source: string;
}

/** The effective configuration, checked. */
export class ServerConfig {
  readonly #values: ReadonlyMap<SettingName, Value>;

  constructor(values: ReadonlyMap<SettingName, Value>) {
    this.#values = values;
  }

  /** A text, or undefined if it is unset. Not for secrets. */
  text(name: SettingName): string | undefined {
    const value = this.#values.get(name)?.value;
    return value === undefined || value === "" ? undefined : String(value);
  }

  /** A text that must be set. @throws `invalid_config` */
  requiredText(name: SettingName): string {
    const value = this.text(name);
    if (value === undefined)
      throw new ServerError(
        "invalid_config",
        `${name} is not set: set it in the file, as ${variableOf(name)} or ${flagOf(name)}`,
      );
    return value;
  }

  /** Undefined if it is unset. */
  secret(name: SettingName): SecretBytes | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : SecretBytes.fromText(value);
  }

  /** Of a setting that has a default. */
  integer(name: SettingName): number {
    return Number(this.#values.get(name)?.value);
  }

  /** False if it is unset. */
  boolean(name: SettingName): boolean {
    return this.#values.get(name)?.value === true;
  }

  /** Empty if it is unset. */
  list(name: SettingName): readonly string[] {
    return (this.text(name) ?? "")
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  }

  /** A path: as set, or `fallback` in the data directory. */
  path(name: SettingName, fallback: string): string {
    return this.text(name) ?? join(this.requiredText("dataDirectory"), fallback);
  }

  /** The base URL for clients; `port` is the actual port. @throws TypeError if it is not set and cannot be derived */
  publicUrl(port: number): PublicUrl {
    const given = this.text("publicUrl");
    if (given !== undefined) return parsePublicUrl(given);
    const scheme = this.text("tls.certificateFile") === undefined ? "http" : "https";
    return urlOfListener(scheme, parseListenHost(this.requiredText("listen.host")), port);
  }

  /** Other addresses whose refs are accepted. */
  acceptedAddresses(): readonly PublicUrl[] {
    return this.list("acceptedAddresses").map(parsePublicUrl);
  }

  /** True if the URL for clients is `localhost` by default, while other hosts are served. */
  get tellsLocalhost(): boolean {
    return this.text("publicUrl") === undefined && isEveryAddress(this.requiredText("listen.host"));
  }

  /** For people; undefined if it is unset; of a secret, only that it is set. */
  shown(name: SettingName): string | number | boolean | undefined {
    const found = this.#values.get(name);
    return found && isSecret(name) ? "(secret, set)" : found?.value;
  }

  /** Every setting with its value and source, one a line; of secrets, only that they are set. */
  describe(): string {
    return settingNames
      .map((name) => {
        const shown = this.shown(name);
        if (shown === undefined) return `${name}: (unset)`;
        const text = isSecret(name) ? shown : JSON.stringify(shown);
        return `${name}: ${text}  # ${this.#values.get(name)?.source}`;
      })
      .join("\n");
  }
}

/** Merges flags over environment over file over defaults. @throws `invalid_config` */
export function loadServerConfig(sources: ConfigSources = {}): ServerConfig {
  const values = new Map<SettingName, Value>();
  for (const name of settingNames) {
    const setting: Setting = settings[name];
    if (setting.default !== undefined)
      values.set(name, { value: setting.default, source: "default" });
  }
  const put = (name: SettingName, raw: unknown, source: string) =>
    values.set(name, { value: parseValue(name, raw, source), source });
  if (sources.file !== undefined) readFile(sources.file, put);
  readEnvironment(sources.environment ?? process.env, put);
  const byFlag = new Map(settingNames.map((name) => [flagOf(name), name]));
  for (const [flag, raw] of Object.entries(sources.flags ?? {})) {
    const name = byFlag.get(flag);
    if (!name)
      throw new ServerError(
        "invalid_config",
        `unknown flag ${flag}${didYouMean(flag, byFlag.keys())}`,
      );
    if (raw !== undefined) put(name, raw, flag);
  }
  const config = new ServerConfig(values);
  checkTogether(config);
  return config;
}

type Put = (name: SettingName, raw: unknown, source: string) => unknown;

function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  put: Put,
): void {
  const byVariable = new Map(settingNames.map((name) => [variableOf(name), name]));
  for (const [variable, raw] of Object.entries(environment)) {
    if (variable === `${variablePrefix}CONFIG`) continue; // which file: the command's own
    if (!variable.startsWith(variablePrefix) || raw === undefined || raw === "") continue;
    const name = byVariable.get(variable);
    if (!name)
      throw new ServerError(
        "invalid_config",
        `unknown variable ${variable}${didYouMean(variable, byVariable.keys())}`,
      );
    put(name, raw, variable);
  }
}

function readFile(path: string, put: Put): void {
  const { text, mode } = readWithMode(path);
  if (text.trim() === "")
    throw new ServerError(
      "invalid_config",
      `${path}: the file is empty, perhaps after an interrupted write; write it again, or write {} for the defaults`,
    );
  let content: unknown;
  try {
    // Every value as written: YAML would make 7 of 007, and 1.1 of 1.10. But `null` and `~` are no texts.
    content = parse(text, { logLevel: "error", schema: "failsafe", customTags: ["null"] }) ?? {};
  } catch (error) {
    throw new ServerError("invalid_config", `${path}: not valid YAML`, { cause: error });
  }
  for (const [name, raw] of flatten(path, content, "")) {
    const known = settingNames.find((setting) => setting === name);
    if (!known)
      throw new ServerError(
        "invalid_config",
        `${path}: unknown setting ${name}${didYouMean(name, settingNames)}`,
      );
    if (isSecret(known) && (mode & 0o077) !== 0)
      throw new ServerError(
        "invalid_config",
        `${path}: it holds ${name}, and mode ${mode.toString(8)} lets others read it; run: chmod 600 ${path}`,
      );
    put(known, raw, path);
  }
}

function readWithMode(path: string): { readonly text: string; readonly mode: number } {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw new ServerError("invalid_config", `${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
    return { text, mode: fstatSync(file).mode & 0o777 };
  } catch (error) {
    const reason = error instanceof TypeError ? "it is not valid UTF-8" : (error as Error).message;
    throw new ServerError("invalid_config", `${path}: ${reason}`, { cause: error });
  } finally {
    closeSync(file);
  }
}

function flatten(
  path: string,
  content: unknown,
  prefix: string,
): readonly (readonly [string, unknown])[] {
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw new ServerError(
      "invalid_config",
      `${path}: ${prefix === "" ? "it" : prefix.slice(0, -1)} must be a mapping`,
    );
  return Object.entries(content).flatMap(([key, value]) => {
    const name = prefix + key;
    const group = settingNames.some((setting) => setting.startsWith(`${name}.`));
    return group ? flatten(path, value, `${name}.`) : [[name, value] as const];
  });
}

function parseValue(name: SettingName, given: unknown, source: string): Value["value"] {
  const setting: Setting = settings[name];
  // In the file, `name:`, `name: ~` and `name: null` leave a text unset.
  const raw = given === null ? "" : given;
  const wrong = (reason: string) =>
    new ServerError("invalid_config", `${source}: ${name} ${reason}`);
  if (setting.type === "list")
    return itemsOf(raw, wrong)
      .map((item) => canonical(setting.format, item, wrong))
      .join(",");
  if (typeof raw !== "string") throw wrong("must be a single value");
  switch (setting.type) {
    case "text":
    case "secret":
      return raw === "" ? raw : canonical(setting.format, raw, wrong);
    case "integer":
      return parseInteger(setting, raw, wrong);
    case "boolean":
      // YAML has True and TRUE as well.
      if (!/^(?:true|false)$/i.test(raw)) throw wrong("must be true or false");
      return raw.toLowerCase() === "true";
    default:
      if (!setting.type.includes(raw))
        throw wrong(`must be one of ${setting.type.join(", ")}${didYouMean(raw, setting.type)}`);
      return raw;
  }
}

type Wrong = (reason: string) => ServerError;

function canonical(format: TextFormat, text: string, wrong: Wrong): string {
  try {
    return settingFormats[format](text);
  } catch (error) {
    if (error instanceof TypeError) throw wrong(error.message);
    throw error;
  }
}

/** Of a list in the file, or of a text with commas. */
function itemsOf(raw: unknown, wrong: Wrong): readonly string[] {
  if (!Array.isArray(raw) && typeof raw !== "string") throw wrong("must be a list");
  const items: readonly unknown[] = typeof raw === "string" ? raw.split(",") : raw;
  return items.flatMap((item) => {
    if (typeof item !== "string") throw wrong("must be a list of single values");
    // What is written in a list of the file has no commas to be divided by.
    if (item.includes(",")) throw wrong("must not have a comma within an item");
    const text = item.trim();
    return text === "" ? [] : [text];
  });
}

function parseInteger(
  { min = -Infinity, max = Infinity }: { readonly min?: number; readonly max?: number },
  text: string,
  wrong: Wrong,
): number {
  if (!/^-?\d{1,15}$/.test(text)) throw wrong("must be a whole number");
  const value = Number(text);
  if (value < min) throw wrong(`must be ${min} or more`);
  if (value > max) throw wrong(`must be ${max} or less`);
  return value;
}

function checkTogether(config: ServerConfig): void {
  const bodyBytes = maxJsonBytes(config.integer("limits.payloadBytes"));
  if (bodyBytes > config.integer("limits.bodyBytes"))
    throw new ServerError(
      "invalid_config",
      `limits.bodyBytes must be ${bodyBytes} or more, so that a payload of limits.payloadBytes fits into a body`,
    );
  if (config.integer("limits.pageItems") > config.integer("limits.maxPageItems"))
    throw new ServerError(
      "invalid_config",
      "limits.pageItems must not be more than limits.maxPageItems",
    );
  const pairs = [
    ["tls.certificateFile", "tls.keyFile"],
    ["keystone.applicationCredentialId", "keystone.applicationCredentialSecret"],
  ] as const;
  for (const [one, other] of pairs)
    if ((config.text(one) === undefined) !== (config.text(other) === undefined))
      throw new ServerError("invalid_config", `${one} and ${other} must be set together`);
  if (config.text("identity.mode") === "keystone") config.requiredText("keystone.authUrl");
  // Another URL would be taken for the name of a file, and be shown as one, with its password.
  const database = config.text("database") ?? "";
  // SQLite's own URIs and its database in memory have no place for the lock beside the file.
  const isUrl = /^(?:[a-z][a-z\d+.-]*:\/\/|postgres(?:ql)?:|file:|:memory:)/i.test(database);
  if (isUrl && !/^postgres(?:ql)?:\/\//.test(database))
    throw new ServerError(
      "invalid_config",
      "database must be a SQLite file, or a URL that begins with postgres:// or postgresql://",
    );
  try {
    config.publicUrl(config.integer("listen.port"));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ServerError("invalid_config", `publicUrl ${error.message}`, { cause: error });
  }
}

function isSecret(name: SettingName): boolean {
  return settings[name].type === "secret";
}
