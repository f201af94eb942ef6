import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { KeyManagerError, refuseUnknownOptions } from "@chatelaine/keys";
import { parse } from "yaml";
import type { Terminal } from "../terminal/terminal.ts";
import { hasPassword, isDatabaseUrl } from "./database-url.ts";

/** The settings of every command: from flags, the environment and the configuration file. */
export interface Settings {
  /** One word: `barbican` (default), `fixed` or `memory`. */
  readonly backend?: string | undefined;
  /** A cloud of clouds.yaml. */
  readonly cloud?: string | undefined;
  /** Of the key manager. Default: from the catalog. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly interface?: string | undefined;
  /** A file of mode 0600 with the legacy fixed key in hexadecimal, for volumes that still have it. */
  readonly fixedKeyFile?: string | undefined;
  /** Ids of users, with commas between, who may read each key that a volume or disk is given. */
  readonly readers?: string | undefined;
  /** Whose volumes these are, where a service's credentials make the keys: a label. Default: the credentials' project. */
  readonly forProject?: string | undefined;
  /** What records volumes and what is being done to them: a file, or the URL of a PostgreSQL that hosts share. */
  readonly ledger?: string | undefined;
  /** This machine's name in a ledger that hosts share. Default: its host name. */
  readonly ledgerHost?: string | undefined;
  /** `true` weakens security: a ledger's database on another host is used without verified TLS. No flag has it. */
  readonly ledgerInsecureTransport?: string | undefined;
}

/** Settings as flags give them, and the configuration file that holds the others. */
export type SettingFlags = Settings & { readonly config?: string | undefined };

const variables = {
  backend: "CHATELAINE_BACKEND",
  cloud: "OS_CLOUD",
  endpoint: "CHATELAINE_ENDPOINT",
  region: "OS_REGION_NAME",
  interface: "OS_INTERFACE",
  fixedKeyFile: "CHATELAINE_FIXED_KEY_FILE",
  readers: "CHATELAINE_READERS",
  forProject: "CHATELAINE_FOR_PROJECT",
  ledger: "CHATELAINE_LEDGER",
  ledgerHost: "CHATELAINE_LEDGER_HOST",
  ledgerInsecureTransport: "CHATELAINE_LEDGER_INSECURE_TRANSPORT",
} as const satisfies Record<keyof Settings, string>;

const settingNames = Object.keys(variables) as readonly (keyof Settings)[];

/**
 * Reads the settings: a flag, else the environment, else the configuration file (`--config`, `CHATELAINE_CONFIG`, or
 * `chatelaine/config.yaml` below the user's configuration folder and /etc).
 *
 * @throws `invalid_argument`
 */
export function readSettings(terminal: Terminal, flags: SettingFlags): Settings {
  const file = readConfigFile(terminal, flags.config);
  const merged: Record<string, string | undefined> = {};
  for (const name of settingNames) {
    merged[name] =
      flags[name] ?? (terminal.environment[variables[name]] || undefined) ?? file[name];
  }
  if (merged["ledger"] !== undefined) checkLedger(merged["ledger"], flags.ledger !== undefined);
  return merged;
}

/** @throws `invalid_argument`, without a word of the URL, if it is none, or if a flag has a password */
function checkLedger(ledger: string, isFlag: boolean): void {
  if (!isDatabaseUrl(ledger) || !hasPassword(ledger) || !isFlag) return;
  throw new KeyManagerError(
    "invalid_argument",
    "--ledger: other users of this host can read a password in the arguments: put it into ~/.pgpass or PGPASSWORD, or the URL into the configuration file",
  );
}

function readConfigFile(terminal: Terminal, named: string | undefined): Settings {
  const { environment, homeDirectory } = terminal;
  const chosen = named ?? (environment["CHATELAINE_CONFIG"] || undefined);
  const user = environment["XDG_CONFIG_HOME"] || join(homeDirectory, ".config");
  const places =
    chosen === undefined
      ? [join(user, "chatelaine/config.yaml"), "/etc/chatelaine/config.yaml"]
      : [chosen];
  for (const path of places) {
    const text = readIfThere(path, chosen !== undefined);
    if (text !== undefined) return parseConfig(path, text);
  }
  return {};
}

function parseConfig(path: string, text: string): Settings {
  if (text.trim() === "")
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: the file is empty, perhaps after an interrupted write; write it again, or write {} for the defaults`,
    );
  let content: unknown;
  try {
    content = parse(text, { logLevel: "error" }) ?? {};
  } catch {
    throw new KeyManagerError("invalid_argument", `${path}: not valid YAML`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: it must be a mapping of ${settingNames.join(", ")}`,
    );
  }
  refuseUnknownOptions(path, content, settingNames);
  const written = { ...content } as Record<string, unknown>;
  const { ledgerInsecureTransport: insecure } = written;
  if (typeof insecure === "boolean") written["ledgerInsecureTransport"] = String(insecure);
  for (const [name, value] of Object.entries(written)) {
    if (typeof value !== "string")
      throw new KeyManagerError("invalid_argument", `${path}: ${name} must be text`);
  }
  const { ledger = "" } = content as Settings;
  if (isDatabaseUrl(ledger) && hasPassword(ledger) && (statSync(path).mode & 0o077) !== 0) {
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: other users can read the password of the ledger's database: run chmod 600 ${path}`,
    );
  }
  return written;
}

/** A file's text; undefined if it does not exist and need not. @throws `invalid_argument` */
export function readIfThere(path: string, mustExist: boolean): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (!mustExist && (code === "ENOENT" || code === "ENOTDIR")) return undefined;
    throw new KeyManagerError(
      "invalid_argument",
      `${path}: cannot be read: ${code ?? "unknown error"}`,
      { cause },
    );
  }
}

/** The process's own, read here and nowhere else. */
export const environment: Terminal["environment"] = process.env;
